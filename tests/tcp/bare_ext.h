/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An extension without what two that live the same life may differ in: the addresses of mbufs.
 */
#ifndef BARE_EXT_H
#define BARE_EXT_H

#include "ext.h"

static inline void bare_ext(struct tcp_ext *x)
{
	/* a place in the queue means something while it is used */
	if (x->resend_seq == x->resend_end)
		x->resend.off = 0;
	x->snd_next.m = x->resend.m = NULL;
	x->snd_head = x->snd_tail = x->ooo_head = NULL;
}

#endif /* BARE_EXT_H */

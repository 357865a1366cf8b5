/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The spread of a port with RSS, computed in software: which queue, and so which worker, receives a
 * frame of a given tuple. Asked by every active open of a stack that shares such a port, with
 * numbers that the port itself told after its start. Private to lib/port (and its tests).
 */
#ifndef MR_STEER_H
#define MR_STEER_H

#include <rte_ethdev.h>

#include "millrace.h"

#define STEER_KEY_MAX	64u	/* octets: i40e, ice and others have 52 */
#define STEER_RETA_MAX	2048u	/* entries: ice */

struct steer {
	uint32_t key[STEER_KEY_MAX / 4];	/* as rte_softrss_be() wants it */
	uint16_t reta[STEER_RETA_MAX];		/* queues */
	uint16_t reta_size;			/* 0: nothing is known of the port's spread */
	uint8_t words[2];			/* of the tuple that are hashed: IPv4, IPv6 */
	unsigned int workers, id_first;		/* queue q is worker id_first + q % workers */
};

/**
 * Reads key, hash functions and redirection table of a started port; `asked`: the functions it was
 * configured with. 0, or a negative errno: the driver does not tell, and `reta_size` is 0.
 */
int steer_read(struct steer *s, uint16_t port, uint64_t asked);
/** The RSS hash of a frame from `remote` to `local`. Any thread, as all that follows. */
uint32_t steer_hash(const struct steer *s, const struct mr_endpoint *remote,
		    const struct mr_endpoint *local);
/** The queue on which that frame arrives. */
uint16_t steer_queue(const struct steer *s, const struct mr_endpoint *remote,
		     const struct mr_endpoint *local);
/** Id of the worker that polls this queue: stack_steer.worker_of, ctx is a struct steer. */
unsigned int steer_worker(const void *ctx, const struct mr_endpoint *remote,
			  const struct mr_endpoint *local);

#endif /* MR_STEER_H */

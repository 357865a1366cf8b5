/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * close: accepts, then closes. The shortest complete life of a connection, for measuring set-up and
 * tear-down. Keeps no state and has nothing to time: after mr_close() the protocol's own timers see
 * to the rest (retransmission, FIN_WAIT_2, 2MSL).
 */
#include "handlers.h"

static void on_accept(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static const struct mr_callbacks callbacks = {
	.on_accept = on_accept,
};

const struct handler handler_close = {
	.name = "close",
	.help = "accepts, then closes",
	.callbacks = &callbacks,
};

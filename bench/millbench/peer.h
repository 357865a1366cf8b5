/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The terminator that millbench brings along: the other half of each mode, and nothing more. A real
 * server is app/millraced.
 */
#ifndef MB_PEER_H
#define MB_PEER_H

#include "options.h"

struct mb_peer {
	uint32_t request_octets, response_octets;
	bool closes;		 /* after the response */
	const char *response;	 /* of MB_COPY_OCTETS at most, when it is copied */
	struct mr_static *piece; /* MB_PIECE_OCTETS, when it is not */
};

/** Callbacks of the listener; its handler's pointer is the struct mb_peer. */
const struct mr_callbacks *mb_peer_callbacks(const struct mb_options *o);
/** Control thread, after EAL and before the engine starts. False: no memory. */
bool mb_peer_create(struct mb_peer *p, const struct mb_options *o);
void mb_peer_destroy(struct mb_peer *p);

#endif /* MB_PEER_H */

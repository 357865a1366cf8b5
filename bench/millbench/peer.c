/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handlers of the terminator. The handler's word of a connection that answers requests: octets of
 * the request still to come, or, with the top bit, octets of the response still to send.
 */
#include <stdlib.h>

#include <rte_mbuf.h>

#include "client.h"
#include "peer.h"

#define SENDING 0x80000000u

static const char zeroes[MB_PIECE_OCTETS];

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static void on_accept_close(struct mr_worker *w, mr_conn c)
{
	mr_close(w, c);
}

static void on_accept(struct mr_worker *w, mr_conn c)
{
	const struct mb_peer *p = mr_handler_arg(w, c);

	mr_set_user(w, c, p->request_octets);
}

/** Sends what is left of the response; true when all of it is queued. */
static bool send_left(struct mr_worker *w, mr_conn c, const struct mb_peer *p, uint32_t *left)
{
	while (*left > 0) {
		uint32_t want = MR_MIN(*left, MB_PIECE_OCTETS);
		uint32_t taken = p->response != NULL ? mr_send_copy(w, c, p->response, want, 0)
						     : mr_send_static(w, c, p->piece, 0, want, 0);

		*left -= taken;
		if (taken < want)
			return false;
	}
	return true;
}

static void respond(struct mr_worker *w, mr_conn c, const struct mb_peer *p, uint32_t left)
{
	if (!send_left(w, c, p, &left)) {
		mr_set_user(w, c, SENDING | left);
		return;
	}
	mr_set_user(w, c, p->request_octets);
	if (p->closes)
		mr_close(w, c);
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	const struct mb_peer *p = mr_handler_arg(w, c);
	uint32_t user = mr_user(w, c), len = data->pkt_len;

	mr_consumed(w, c, len);
	rte_pktmbuf_free(data);
	if ((user & SENDING) != 0 || len > user) /* no client of this mode pipelines */
		mr_abort(w, c);
	else if (len < user)
		mr_set_user(w, c, user - len);
	else
		respond(w, c, p, p->response_octets);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	uint32_t user = mr_user(w, c);

	if ((user & SENDING) != 0)
		respond(w, c, mr_handler_arg(w, c), user & ~SENDING);
}

const struct mr_callbacks *mb_peer_callbacks(const struct mb_options *o)
{
	static const struct mr_callbacks after_peer = {.on_peer_closed = on_peer_closed};
	static const struct mr_callbacks at_once = {.on_accept = on_accept_close};
	static const struct mr_callbacks answer = {.on_accept = on_accept,
						   .on_data = on_data,
						   .on_writable = on_writable,
						   .on_peer_closed = on_peer_closed};

	switch ((enum mb_mode)o->mode) {
	case MB_REQUEST:
	case MB_KEEPALIVE:
		return &answer;
	case MB_CYCLE:
		return o->closer == MB_CLOSE_SERVER ? &at_once : &after_peer;
	case MB_HANDSHAKE:
	case MB_HOLD:
		return &after_peer;
	}
	return NULL;
}

bool mb_peer_create(struct mb_peer *p, const struct mb_options *o)
{
	*p = (struct mb_peer){
		.request_octets = (uint32_t)o->request_octets,
		.response_octets = (uint32_t)o->response_octets,
		.closes = o->closer == MB_CLOSE_SERVER,
	};
	if (p->response_octets <= MB_COPY_OCTETS)
		p->response = zeroes;
	else
		p->piece = mr_static_create(zeroes, sizeof(zeroes));
	return p->response != NULL || p->piece != NULL;
}

void mb_peer_destroy(struct mb_peer *p)
{
	if (p->piece != NULL)
		mr_static_destroy(p->piece);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modes request and keepalive: send, receive, and either again or close. HOT PATH: no allocation,
 * no lock, no log, no division.
 */
#include <rte_mbuf.h>

#include "check.h"
#include "client.h"
#include "http.h"

/** Sends what is left of a request in pieces; true when all of it is queued. */
static bool send_pieces(struct mb_client *cl, mr_conn c, uint32_t *unsent)
{
	while (*unsent > 0) {
		uint32_t want = MR_MIN(*unsent, MB_PIECE_OCTETS);
		uint32_t taken = mr_send_static(cl->worker, c, cl->load->piece, 0, want, 0);

		*unsent -= taken;
		if (taken < want)
			return false;
	}
	return true;
}

/** A short request is queued whole or not at all: the queue is empty when it is sent. */
static bool send_copy(struct mb_client *cl, mr_conn c)
{
	const struct mb_load *load = cl->load;
	uint32_t taken = mr_send_copy(cl->worker, c, load->request, load->request_octets, 0);

	MR_ASSERT(taken == 0 || taken == load->request_octets);
	return taken != 0;
}

static void continue_request(struct mb_client *cl, mr_conn c, struct mb_slot *s)
{
	bool all = cl->unsent != NULL ? send_pieces(cl, c, &cl->unsent[s - cl->slots])
				      : send_copy(cl, c);

	s->phase = all ? MB_WAITING : MB_SENDING;
}

/** Its latency counts from since_tsc. */
static void begin_request(struct mb_client *cl, mr_conn c, struct mb_slot *s, uint64_t since_tsc)
{
	const struct mb_load *load = cl->load;

	s->requests--;
	s->since_tsc = since_tsc;
	cl->account.requests++;
	if (load->http)
		mb_http_begin(&s->http, &s->left);
	else
		s->left = load->response_octets;
	if (cl->unsent != NULL)
		cl->unsent[s - cl->slots] = load->request_octets;
	continue_request(cl, c, s);
}

static void on_connected(struct mr_worker *w, mr_conn c)
{
	struct mb_client *cl = mb_client_of(w);
	uint64_t now = mb_client_now(cl);
	struct mb_slot *s = mb_client_opened(cl, c);

	s->requests = (uint16_t)cl->load->requests;
	/* Under a rate the connection is opened for the sake of this request, which was due then:
	 * counted from now, a slow handshake would hide what the user waits for. */
	begin_request(cl, c, s, cl->load->rate_per_s > 0 ? s->since_tsc : now);
}

static void on_writable(struct mr_worker *w, mr_conn c)
{
	struct mb_client *cl = mb_client_of(w);
	struct mb_slot *s = &cl->slots[mr_user(w, c)];

	if (s->phase == MB_SENDING)
		continue_request(cl, c, s);
}

/** The response is complete: the next request, or the end. */
static void end_response(struct mb_client *cl, mr_conn c, struct mb_slot *s)
{
	uint64_t now = mb_client_now(cl);

	cl->account.responses++;
	mb_client_record(cl, &cl->hists->request, s->since_tsc);
	s->phase = MB_OPEN;
	if (s->requests > 0 && cl->stage == MB_RUNNING)
		begin_request(cl, c, s, now);
	else if (cl->load->closer == MB_CLOSE_CLIENT)
		mb_client_close(cl, c, s);
}

static MR_COLD void bad_response(struct mb_client *cl, mr_conn c, struct mb_slot *s)
{
	cl->account.bad_responses++;
	s->phase = MB_CLOSING;
	cl->closing++;
	mr_abort(cl->worker, c);
}

static enum mb_http_result feed(struct mb_client *cl, struct mb_slot *s,
				const struct rte_mbuf *data)
{
	enum mb_http_result r = MB_HTTP_MORE;

	if (!cl->load->http) {
		if (data->pkt_len > s->left)
			return MB_HTTP_BAD;
		s->left -= data->pkt_len;
		return s->left == 0 ? MB_HTTP_DONE : MB_HTTP_MORE;
	}
	for (; data != NULL; data = data->next) {
		if (r == MB_HTTP_DONE && data->data_len > 0)
			return MB_HTTP_BAD;
		if (r == MB_HTTP_MORE)
			r = mb_http_feed(&s->http, &s->left, rte_pktmbuf_mtod(data, const char *),
					 data->data_len);
	}
	return r;
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *data)
{
	struct mb_client *cl = mb_client_of(w);
	struct mb_slot *s = &cl->slots[mr_user(w, c)];
	bool expected = s->phase == MB_WAITING || s->phase == MB_SENDING;
	enum mb_http_result r = expected ? feed(cl, s, data) : MB_HTTP_BAD;

	/* Before a close: octets that nobody consumed would turn it into a RST. */
	mr_consumed(w, c, data->pkt_len);
	rte_pktmbuf_free(data);
	/* A response that is complete before its request is sent is none. */
	if (r == MB_HTTP_BAD || (r == MB_HTTP_DONE && s->phase == MB_SENDING))
		bad_response(cl, c, s);
	else if (r == MB_HTTP_DONE)
		end_response(cl, c, s);
}

static void on_peer_closed(struct mr_worker *w, mr_conn c)
{
	struct mb_client *cl = mb_client_of(w);
	struct mb_slot *s = &cl->slots[mr_user(w, c)];

	if (s->phase == MB_WAITING && cl->load->http && mb_http_may_end(s->http, s->left)) {
		s->requests = 0;
		end_response(cl, c, s);
	} else if (s->phase == MB_WAITING || s->phase == MB_SENDING) {
		cl->account.bad_responses++;
		mb_client_close(cl, c, s);
		return;
	}
	if (s->phase == MB_OPEN)
		mb_client_close(cl, c, s);
}

const struct mr_callbacks mb_request_callbacks = {
	.on_connected = on_connected,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_peer_closed = on_peer_closed,
	.on_closed = mb_client_on_closed,
};

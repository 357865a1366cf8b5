/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on the octets of a connection: recv, send, poll, and what fcntl and ioctl say of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "remote.h"

#define POLL_ALWAYS ((unsigned int)(POLLERR | POLLHUP))

static bool must_not_wait(const struct call *k, const struct sock *s, int flags)
{
	(void)k;
	return s->nonblock || (flags & MSG_DONTWAIT) != 0;
}

/* ---- recv ---- */

/* Copies from the queue, which stays as it is. */
static uint32_t peek(const struct sock *s, uint8_t *to, uint32_t len)
{
	uint32_t done = 0;

	for (const struct rte_mbuf *m = s->rx.head; m != NULL && done < len; m = m->next) {
		uint32_t n = MR_MIN(len - done, (uint32_t)m->data_len);

		memcpy(to + done, rte_pktmbuf_mtod(m, const void *), n);
		done += n;
	}
	return done;
}

static void consume(struct mr_worker *w, struct sock *s, uint32_t len)
{
	for (uint32_t left = len; left != 0;) {
		uint32_t n = MR_MIN(left, (uint32_t)s->rx.head->data_len);

		mbufq_trim(&s->rx, n);
		left -= n;
	}
	if (s->state == SOCK_OPEN)
		mr_consumed(w, s->c, len);
}

bool op_recv(struct mr_worker *w, struct call *k, struct sock *s)
{
	uint32_t len = MR_MIN((uint32_t)k->req.a, k->out_room);
	int err;

	if (k->req.a < 0)
		return fail(k, EINVAL);
	if (s->state == SOCK_LISTENING || s->state == SOCK_NEW)
		return fail(k, ENOTCONN);
	if (s->rx.octets != 0 && !((k->req.b & MSG_WAITALL) && s->rx.octets < len &&
				   s->state == SOCK_OPEN && !s->eof)) {
		k->out_len = peek(s, k->out, len);
		if ((k->req.b & MSG_PEEK) == 0)
			consume(w, s, k->out_len);
		return answer(k, (int32_t)k->out_len);
	}
	if (s->eof)			/* SOCK_DONE of Linux: an error that followed waits */
		return answer(k, 0);
	err = sock_error(s);
	if (err != 0)
		return fail(k, err);
	if (s->shut_rd || s->state == SOCK_DONE || len == 0)
		return answer(k, 0);
	return must_not_wait(k, s, k->req.b) ? fail(k, EAGAIN) : false;
}

/* ---- send ---- */

/* b=1: a length and a sockaddr come first (MSG_FASTOPEN: connected to). False: malformed. */
static bool split(const struct call *k, uint32_t *sa_len, uint32_t *data_off)
{
	*sa_len = *data_off = 0;
	if (k->req.b != 1)
		return true;
	if (k->req.len < sizeof(*sa_len))
		return false;
	memcpy(sa_len, k->in, sizeof(*sa_len));
	*data_off = (uint32_t)sizeof(*sa_len) + *sa_len;
	return *sa_len <= 128 && *data_off <= k->req.len;
}

static bool send_error(struct call *k, struct sock *s)
{
	int err = sock_error(s);

	if (k->done != 0) {		/* what was taken is what is told; the error waits */
		s->error = err;
		return answer(k, (int32_t)k->done);
	}
	return fail(k, err != 0 ? err : EPIPE);
}

/* So much goes along with a connect(). */
#define GIVEN_MAX 16384u

/* NULL: no mbufs, or nothing to copy. */
static struct rte_mbuf *copy_of(struct mr_worker *w, const uint8_t *from, uint32_t len)
{
	struct rte_mbuf *head = NULL;

	while (len != 0) {
		const uint16_t n = (uint16_t)MR_MIN(len, 1460u);
		struct rte_mbuf *m = mr_mbuf_alloc(w);

		if (m == NULL || (head != NULL && rte_pktmbuf_chain(head, m) != 0)) {
			rte_pktmbuf_free(m);
			rte_pktmbuf_free(head);
			return NULL;
		}
		memcpy(rte_pktmbuf_append(m, n), from, n);
		if (head == NULL)
			head = m;
		else
			head->pkt_len += n;
		from += n;
		len -= n;
	}
	return head;
}

/* MSG_FASTOPEN: connects with the data. 0 or an errno; *off: where the data begins. */
static int connect_with(struct mr_worker *w, struct call *k, struct sock *s, uint32_t sa_len,
			uint32_t off)
{
	uint32_t len = MR_MIN(k->req.len - off, GIVEN_MAX);
	struct rte_mbuf *data = copy_of(w, k->in + off, len);
	struct tcp_params p;
	struct mr_tcp_info info;
	int err = EOPNOTSUPP;

	stack_get_params(w, &p);
	if (p.fastopen & TCP_FASTOPEN_CLIENT)
		err = sock_connect(w, s, k->in + 4, sa_len, data);
	if (err != 0) {
		rte_pktmbuf_free(data);
		return err;
	}
	/* With a cookie send() is done at once; else it waits for the connection, and its error. */
	s->given = data != NULL ? len : 0;
	mr_tcp_info(w, s->c, &info);
	if (info.snd_nxt - info.snd_una > 1 || must_not_wait(k, s, k->req.a)) {
		k->done = s->given;
		s->given = 0;
	}
	return 0;
}

bool op_send(struct mr_worker *w, struct call *k, struct sock *s)
{
	unsigned int more = (k->req.a & MSG_MORE) ? MR_SEND_MORE : 0;
	uint32_t sa_len, off, len;
	int err;

	if (!split(k, &sa_len, &off))
		return fail(k, EINVAL);
	len = k->req.len - off;
	if (s->state == SOCK_NEW && (k->req.a & MSG_FASTOPEN) && sa_len != 0) {
		err = connect_with(w, k, s, sa_len, off);
		if (err != 0)
			return fail(k, err);
		if (k->done != 0)
			return answer(k, (int32_t)k->done);
	}
	if (s->state == SOCK_OPEN && k->tried && s->given != 0) {
		k->done = s->given;
		s->given = 0;
	}
	if (s->error != 0 || s->shut_wr || s->state == SOCK_NEW || s->state == SOCK_DONE ||
	    s->state == SOCK_LISTENING)
		return send_error(k, s);
	if (s->state == SOCK_OPEN) {
		k->done += mr_send_copy(w, s->c, k->in + off + k->done, len - k->done, more);
		if (k->done == len)
			return answer(k, (int32_t)len);
	}
	if (!must_not_wait(k, s, k->req.a))
		return false;
	if (k->done != 0)
		return answer(k, (int32_t)k->done);
	return fail(k, (k->req.a & MSG_FASTOPEN) && !k->tried && sa_len != 0 ? EINPROGRESS
									     : EAGAIN);
}

/* ---- poll ---- */

static bool writable(struct mr_worker *w, const struct sock *s)
{
	uint32_t room = mr_send_room(w, s->c), bound = 0;

	mr_get_option(w, s->c, MR_OPT_SEND_BUFFER, &bound);
	return room >= bound / 3;	/* as sk_stream_is_writeable() */
}

static unsigned int ready(struct mr_worker *w, struct sock *s)
{
	unsigned int r = 0;

	if (s->error != 0)
		r |= POLLERR;
	if (s->state == SOCK_LISTENING)
		return r | (s->accept_head != NULL ? POLLIN | POLLRDNORM : 0u);
	if (s->state == SOCK_NEW || s->state == SOCK_DONE)
		r |= POLLHUP | POLLOUT | POLLWRNORM;
	if ((s->eof || s->shut_rd) && (s->shut_wr || s->state == SOCK_DONE))
		r |= POLLHUP;
	if (s->eof || s->shut_rd || s->state == SOCK_DONE)
		r |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (s->rx.octets != 0)
		r |= POLLIN | POLLRDNORM;
	if (s->state == SOCK_OPEN) {
		if (s->shut_wr || writable(w, s))
			r |= POLLOUT | POLLWRNORM;
		else
			mr_want_writable(w, s->c);
		if (mr_urgent(w, s->c) != 0)
			r |= POLLPRI;
	}
	return r;
}

bool op_poll(struct mr_worker *w, struct call *k, struct sock *s)
{
	uint32_t seen = ready(w, s) & ((unsigned int)k->req.a | POLL_ALWAYS);

	if (seen == 0 && k->req.b != 0 && !k->expired)
		return false;
	answer_octets(k, &seen, sizeof(seen));
	return answer(k, seen != 0);
}

/* ---- fcntl, ioctl ---- */

bool op_fcntl(struct mr_worker *w, struct call *k, struct sock *s)
{
	(void)w;
	switch (k->req.a) {
	case F_GETFL:
		return answer(k, O_RDWR | (s->nonblock ? O_NONBLOCK : 0));
	case F_SETFL:
		s->nonblock = (k->req.b & O_NONBLOCK) != 0;
		return answer(k, 0);
	default:
		return fail(k, EINVAL);
	}
}

bool op_ioctl(struct mr_worker *w, struct call *k, struct sock *s)
{
	struct mr_tcp_info info = {0};
	int value;

	if (s->state == SOCK_LISTENING)
		return fail(k, EINVAL);
	if (s->state == SOCK_OPEN || s->state == SOCK_CONNECTING)
		mr_tcp_info(w, s->c, &info);
	switch (k->req.a) {
	case SIOCINQ:
		value = (int)s->rx.octets;
		break;
	case SIOCOUTQ:
		value = (int)info.send_queued;
		break;
	case SIOCOUTQNSD:
		value = (int)(info.send_queued - MR_MIN(info.send_queued,
							info.snd_nxt - info.snd_una));
		break;
	default:
		return fail(k, ENOTTY);
	}
	return answer_octets(k, &value, sizeof(value));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients and the handler of fastopen_fixture.h. */
#include <string.h>

#include <criterion/criterion.h>

#include "fastopen_fixture.h"

enum ff_deed ff_on_accept, ff_on_data;
struct mr_endpoint ff_connect_to;
unsigned int ff_accepted, ff_connected, ff_nclosed;
enum mr_reason ff_why;

static void deed(struct mr_worker *w, mr_conn c, enum ff_deed what)
{
	mr_conn other;

	switch (what) {
	case FF_ANSWER: cr_expect_eq(mr_send_copy(w, c, "answer", 6, 0), 6); break;
	case FF_ABORT: mr_abort(w, c); break;
	case FF_CLOSE:
	case FF_KEEP_AND_CLOSE: mr_close(w, c); break;
	case FF_CONNECT:
		cr_expect_eq(rf_try_open(w, &(struct mr_endpoint){0}, &ff_connect_to, &other),
			     MR_OK);
		break;
	case FF_NOTHING: break;
	}
}

static void on_accept(struct mr_worker *w, mr_conn c)
{
	ff_accepted++;
	deed(w, c, ff_on_accept);
}

static void on_connected(struct mr_worker *w, mr_conn c)
{
	(void)w;
	(void)c;
	ff_connected++;
}

static void on_data(struct mr_worker *w, mr_conn c, struct rte_mbuf *m)
{
	if (ff_on_data == FF_KEEP_AND_CLOSE)
		rte_pktmbuf_free(m);	/* not consumed */
	else
		rf_callbacks.on_data(w, c, m);
	deed(w, c, ff_on_data);
}

static void on_closed(struct mr_worker *w, mr_conn c, enum mr_reason why)
{
	(void)w;
	(void)c;
	ff_nclosed++;
	ff_why = why;
}

const struct mr_callbacks ff_callbacks = {.on_accept = on_accept, .on_connected = on_connected,
					  .on_data = on_data, .on_closed = on_closed};

void ff_begin(void)
{
	cf_begin();
	cf_cfg.tcp.fastopen = TCP_FASTOPEN_SERVER;
	cf_cfg.tcp.nodelay = true;
	cf_web.callbacks = &ff_callbacks;
}

void ff_stop(struct mr_worker *w)
{
	stack_close_all(w, true, UINT32_MAX);
	rf_run(w, 1);
	cr_expect_eq(w->ext_pool.nfree, w->ext_pool.capacity);
	cr_expect_eq(w->ext_pool.mbufs_held, 0);
	stack_check(w);
	stack_destroy(w);
}

void ff_reset(unsigned int way)
{
	(void)way;
	ff_on_accept = FF_NOTHING;
	ff_on_data = FF_ANSWER;
	ff_accepted = ff_connected = ff_nclosed = 0;
	rf_ntext = 0;
}

void ff_cookie(struct mr_worker *w, const struct rf_path *p, struct tcp_seg *syn)
{
	struct tcp_seg answer;

	syn->opts |= TCP_OPT_FASTOPEN;
	syn->cookie_len = 0;
	answer = cf_syn_ack_to(w, p, syn);
	cr_assert(answer.opts & TCP_OPT_FASTOPEN);
	cr_assert_eq(answer.cookie_len, TFO_COOKIE_LEN);
	cr_assert_eq(answer.cookie_exp, syn->cookie_exp);
	syn->cookie_len = answer.cookie_len;
	memcpy(syn->cookie, answer.cookie, sizeof(syn->cookie));
}

void ff_syn_with(struct mr_worker *w, const struct rf_path *p, const struct tcp_seg *syn,
		 const char *text)
{
	struct tcp_seg seg = *syn;

	seg.len = (uint16_t)strlen(text);
	rf_segment(w, p, &seg, text);
}

struct icmp_error ff_error_about(struct mr_worker *w, struct conn_ref r, uint32_t seq)
{
	struct icmp_error e = {.family = r.v6 ? 6 : 4, .kind = WIRE_ICMP_UNREACHABLE, .type = 3,
			       .code = 1, .vlan = WIRE_NO_VLAN, .vlan_outer = WIRE_NO_VLAN,
			       .seq = seq};
	struct flow_key key;

	conn_key(r, &key);
	laddr_get(w, r.c->laddr, e.src);
	memcpy(e.dst, key.raddr, sizeof(e.dst));
	e.sport = key.lport;
	e.dport = key.rport;
	return e;
}

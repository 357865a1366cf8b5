/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks, the handler's calls and the drain, in a whole worker; one test a defect. */
#include <string.h>

#include <criterion/criterion.h>
#include <rte_mbuf.h>

#include "stack_fixture.h"

TestSuite(stack_calls, .init = sf_start, .fini = sf_stop, .timeout = 30);

/* ---- a connection that its handler ended ---- */

static void abort_at_once(struct mr_worker *w, mr_conn c)
{
	sf_accepted++;
	cr_assert_eq(mr_abort(w, c), MR_OK);
}

static void no_data_after_abort(void)
{
	struct sf_seg seg = {.seq = SF_ISS, .flags = TCP_SYN};

	sf_callbacks.on_accept = abort_at_once;
	sf_worker();
	sf_segment(&seg);
	seg = (struct sf_seg){.seq = SF_ISS + 1, .ack = sf_tcp(0).seq + 1, .flags = TCP_ACK,
			      .len = 5};
	sf_segment(&seg);
	cr_expect_eq(sf_accepted, 1);
	cr_expect_eq(sf_delivered, 0, "on_data after mr_abort");
	cr_expect_eq(sf_nclosed, 1);
	cr_expect_eq(sf_closed_why, MR_ABORTED);
}

Test(stack_calls, no_data_after_an_abort_in_on_accept)
{
	no_data_after_abort();
}

Test(stack_calls, no_data_after_an_abort_in_on_accept_on_the_plain_path)
{
	sf_cfg.fast_path = false;
	no_data_after_abort();
}

/* ---- a call from outside of any callback ---- */

/* The only extension is another connection's: on_writable follows when it is given back. */
Test(stack_calls, a_refused_mr_send_is_followed_by_on_writable)
{
	struct sf_seg seg = {.sport = 4000, .seq = SF_ISS + 1, .flags = TCP_ACK};
	struct rte_mbuf *m;
	mr_conn first;

	sf_cfg.extensions = 1;
	sf_worker();
	seg.ack = sf_establish(4000);
	first = sf_conn;
	sf_establish(4001);
	sf_run(2000);	/* entries that the SYN-ACKs left in the wheel are gone */
	cr_assert_eq(mr_send_copy(sf_w, first, "first", 5, 0), 5);
	sf_run(1);
	m = rte_pktmbuf_alloc(sf_ctl);
	rte_pktmbuf_append(m, 6);
	cr_assert_eq(mr_send(sf_w, sf_conn, m, 0), 0, "there is no second extension");
	rte_pktmbuf_free(m);
	seg.ack += 5;
	sf_segment(&seg);
	cr_assert_eq(sf_writable, 0);
	sf_run(3000);
	cr_assert_eq(sf_writable, 1);
}

/* ---- drain ---- */

Test(stack_calls, what_is_established_while_draining_is_closed)
{
	struct sf_seg seg = {.seq = SF_ISS, .flags = TCP_SYN};

	sf_worker();
	sf_segment(&seg);
	seg = (struct sf_seg){.seq = SF_ISS + 1, .ack = sf_tcp(0).seq + 1, .flags = TCP_ACK};
	stack_drain(sf_w);
	cr_assert(stack_close_all(sf_w, false, UINT32_MAX));
	sf_forget();
	sf_segment(&seg);
	cr_assert_eq(sf_accepted, 1);
	cr_assert_eq(sf_nsent, 1, "no FIN follows");
	cr_assert(sf_tcp(0).flags & TCP_FIN);
}

Test(stack_calls, a_forced_walk_begins_at_the_first_connection)
{
	sf_worker();
	for (uint16_t i = 0; i < 8; i++)
		sf_establish((uint16_t)(4000 + i));
	stack_drain(sf_w);
	cr_assert(!stack_close_all(sf_w, false, 4), "the table has 256 records");
	for (unsigned int i = 0; i < 64 && !stack_close_all(sf_w, true, 4); i++)
		continue;
	cr_assert_eq(sf_nclosed, 8, "%u of 8 were ended", sf_nclosed);
	cr_assert_eq(sf_closed_why, MR_DRAINED);
}

/* ---- listeners ---- */

static struct stack_listener *add_listener(const char *name, uint8_t family, uint8_t len,
					   uint16_t first, uint16_t last)
{
	struct stack_listener *l = &sf_listener[sf_cfg.nlisteners++];

	*l = (struct stack_listener){.family = family, .prefix_len = len, .port_first = first,
				     .port_last = last, .backlog = 10,
				     .callbacks = &sf_callbacks};
	if (family == 4)
		memcpy(l->addr, (const uint8_t[]){10, 77, 0, len == 32 ? 3 : 0}, 4);
	snprintf(l->name, sizeof(l->name), "%s", name);
	return l;
}

static const char *who_has(uint16_t laddr, uint16_t port)
{
	uint16_t id = listener_find(sf_w, 4, laddr, wire_be16(port));

	return id == MR_NONE16 ? "nobody" : sf_w->group[id].stats.name;
}

static void expect_most_specific(void)
{
	sf_cfg.addr[0].count = 2;
	sf_worker();
	cr_expect_str_eq(who_has(1, 80), "host");
	cr_expect_str_eq(who_has(0, 80), "net");
	cr_expect_str_eq(who_has(1, 81), "any");
	cr_expect_str_eq(who_has(0, 90), "any");
	cr_expect_str_eq(who_has(0, 91), "nobody");
}

Test(stack_calls, the_most_specific_listener_comes_first_when_given_first)
{
	sf_cfg.nlisteners = 0;
	add_listener("host", 4, 32, 80, 80);
	add_listener("net", 4, 24, 80, 80);
	add_listener("any", 0, 0, 79, 90);
	expect_most_specific();
}

Test(stack_calls, the_most_specific_listener_comes_first_when_given_last)
{
	sf_cfg.nlisteners = 0;
	add_listener("any", 0, 0, 79, 90);
	add_listener("net", 4, 24, 80, 80);
	add_listener("host", 4, 32, 80, 80);
	expect_most_specific();
}

/* A range is one group with one successor: behind it another port's list would go on, too. */
Test(stack_calls, a_range_with_a_less_specific_listener_behind_it_is_refused)
{
	struct stack_init init = {.cfg = &sf_cfg, .node = -1, .data_pool = sf_data,
				  .ctl_pool = sf_ctl, .nports = 1, .port = {sf_port}};
	const char *why = "";

	sf_cfg.nlisteners = 0;
	add_listener("net", 4, 24, 79, 90);
	add_listener("any", 0, 0, 80, 80);
	cr_expect_null(stack_create(&init, &why));
	cr_expect_not_null(strstr(why, "range of ports"), "%s", why);
	sf_cfg.nlisteners = 0;
	add_listener("any", 0, 0, 80, 80);
	add_listener("net", 4, 24, 79, 90);
	cr_expect_null(stack_create(&init, &why));
	sf_cfg.nlisteners = 0;
	add_listener("one", 4, 32, 79, 90);
	add_listener("two", 4, 32, 80, 100)->addr[3] = 4;
	cr_expect_null(stack_create(&init, &why));
}

/* ---- ports that take few mbufs in one frame ---- */

static struct rte_mbuf *chain_of(unsigned int n, uint16_t octets)
{
	struct rte_mbuf *head = NULL;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(sf_data);

		memset(rte_pktmbuf_append(m, octets), 'a' + (int)i, octets);
		if (head == NULL)
			head = m;
		else
			cr_assert_eq(rte_pktmbuf_chain(head, m), 0);
	}
	return head;
}

#define PIECE 70u	/* seven are less than 536, the MSS of a peer that tells none */

static void expect_frame(unsigned int pieces, unsigned int mbufs)
{
	char copy[2048];
	const char *at;

	sf_forget();
	cr_assert_gt(mr_send(sf_w, sf_conn, chain_of(pieces, PIECE), 0), 0);
	sf_run(1);
	cr_assert_eq(sf_nsent, 1);
	cr_expect_eq(sf_sent[0]->nb_segs, mbufs, "%u mbufs for %u pieces", sf_sent[0]->nb_segs,
		     pieces);
	at = rte_pktmbuf_read(sf_sent[0], sf_sent[0]->pkt_len - pieces * PIECE,
			      pieces * PIECE, copy);
	for (unsigned int i = 0; i < pieces * PIECE; i++)
		cr_assert_eq(at[i], 'a' + (char)(i / PIECE), "octet %u", i);
}

Test(stack_calls, a_frame_has_no_more_mbufs_than_its_port_takes)
{
	sf_port.tx_mbufs_max = 4;
	sf_cfg.tcp.nodelay = true;
	sf_worker();
	sf_establish(SF_PEER_PORT);
	expect_frame(3, 4);
	expect_frame(4, 1);
	expect_frame(7, 1);
	cr_expect_eq(sf_w->counters.v[MR_C_TX_GATHERED], 2);
}

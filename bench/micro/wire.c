/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles a frame for lib/wire: parsing, values, the reply in place and the reply built anew.
 * Frames are fake mbufs in two arrays: one that stays in L1/L2, one that does not. Cases are
 * interleaved, medians over the rounds are printed; this program never asserts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_tsc.h"
#include "frame.h"
#include "reply.h"

#define ROUNDS		41
#define FRAME_ROOM	192u	/* headroom aside, what a header-only frame touches */
#define REPLIES		(1u << 16)

struct slot {
	struct rte_mbuf m;
	uint8_t room[FRAME_ROOM];
} MR_CACHE_ALIGNED;

struct bench {
	struct slot *slots;
	uint32_t n;
	struct wire_l2 l2;
	struct wire_addrs addrs;
	struct tcp_seg seg;
	struct mr_counters counters;
	uint64_t sink;
};

static void make_frame(struct bench *b, struct slot *s, uint32_t i)
{
	memset(&s->m, 0, sizeof(s->m));
	s->m.buf_addr = s->room;
	s->m.buf_len = FRAME_ROOM;
	s->m.nb_segs = 1;
	rte_mbuf_refcnt_set(&s->m, 1);
	b->addrs.sport = (uint16_t)(i + 1);
	b->seg.seq = i * 1000003u;
	wire_build_tcp(&s->m, &b->l2, &b->addrs, &b->seg, 1);
	wire_finish_tcp(&s->m, b->l2.len, 4, 0);
}

static void set_flags(struct bench *b, uint64_t flags)
{
	for (uint32_t i = 0; i < b->n; i++)
		b->slots[i].m.ol_flags = flags;
}

static void parse(struct bench *b)
{
	struct wire_frame f;

	for (uint32_t i = 0; i < b->n; i++) {
		wire_parse(&b->slots[i].m, &f, &b->counters);
		b->sink += f.kind + f.l4_len;
	}
}

static void parse_values(struct bench *b)
{
	struct wire_frame f;
	struct tcp_seg seg;
	uint16_t off, drop;

	for (uint32_t i = 0; i < b->n; i++) {
		wire_parse(&b->slots[i].m, &f, &b->counters);
		b->sink += wire_tcp_values(&b->slots[i].m, &f, &seg, &off, &drop) + seg.tsval;
	}
}

static void reply(struct bench *b, uint8_t offload)
{
	struct wire_reply how = { .l2_len = 14, .hop_limit = 64, .offload = offload };

	for (uint32_t i = 0; i < b->n; i++) {
		b->seg.seq += 7;
		wire_reply_tcp4(&b->slots[i].m, &how, &b->seg);
	}
}

static void reply_soft(struct bench *b) { reply(b, 0); }
static void reply_port(struct bench *b) { reply(b, WIRE_TX_IPV4_CKSUM | WIRE_TX_TCP_CKSUM); }

static void anew_soft(struct bench *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		b->seg.seq += 7;
		wire_build_tcp(&b->slots[i].m, &b->l2, &b->addrs, &b->seg, 1);
		wire_finish_tcp(&b->slots[i].m, b->l2.len, 4, 0);
	}
}

static void empty(struct bench *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		b->sink += b->slots[i].m.data_len;
}

#define RX_GOOD	(RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static const struct {
	const char *name;
	void (*run)(struct bench *b);
	uint64_t rx_flags;
	uint8_t opts;
} cases[] = {
	{ "loop alone", empty, 0, TCP_OPT_TS },
	{ "parse, checksums by the port", parse, RX_GOOD, TCP_OPT_TS },
	{ "parse, checksums in software", parse, 0, TCP_OPT_TS },
	{ "parse + values, by the port", parse_values, RX_GOOD, TCP_OPT_TS },
	{ "reply in place, by the port", reply_port, 0, 0 },
	{ "reply in place, software", reply_soft, 0, 0 },
	{ "reply in place, software, TS", reply_soft, 0, TCP_OPT_TS },
	{ "reply in place, software, SYN-ACK", reply_soft, 0,
	  TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_WS },
	{ "built anew, software, TS", anew_soft, 0, TCP_OPT_TS },
};

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Cycles a frame: one pass to warm up branches, then enough passes for a stable figure. */
static double one_round(struct bench *b, unsigned int which)
{
	const uint32_t passes = MR_MAX(REPLIES / b->n, 1u);
	uint64_t start;

	/* Every case finds frames that parse: build them anew with the options of the case. */
	b->seg.opts = TCP_OPT_TS;
	for (uint32_t i = 0; i < b->n; i++)
		make_frame(b, &b->slots[i], i);
	set_flags(b, cases[which].rx_flags);
	b->seg.opts = cases[which].opts;
	cases[which].run(b);
	start = mr_tsc();
	for (uint32_t p = 0; p < passes; p++)
		cases[which].run(b);
	return (double)(mr_tsc() - start) / ((double)passes * b->n);
}

static void measure(struct bench *b, const char *what)
{
	static double cycles[MR_ARRAY_LEN(cases)][ROUNDS];

	for (unsigned int r = 0; r < ROUNDS; r++)
		for (unsigned int c = 0; c < MR_ARRAY_LEN(cases); c++)
			cycles[c][r] = one_round(b, c);
	printf("%s (%u frames), TSC cycles a frame, median of %d:\n", what, b->n, ROUNDS);
	for (unsigned int c = 0; c < MR_ARRAY_LEN(cases); c++) {
		qsort(cycles[c], ROUNDS, sizeof(double), by_value);
		printf("  %-36s %6.1f\n", cases[c].name, cycles[c][ROUNDS / 2]);
	}
}

int main(void)
{
	static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 1 }, mac_b[6] = { 2, 0, 0, 0, 0, 2 };
	static const struct { uint32_t n; const char *what; } sizes[] = {
		{ 64, "hot" }, { 1u << 16, "out of L2" },
	};
	static struct bench b;

	wire_l2_make(&b.l2, mac_a, mac_b, WIRE_NO_VLAN, WIRE_NO_VLAN, 0x0800);
	b.addrs = (struct wire_addrs){ .family = 4, .hop_limit = 64, .dport = wire_be16(80),
				       .src = { 10, 77, 0, 1 }, .dst = { 10, 77, 0, 2 } };
	b.seg = (struct tcp_seg){ .flags = TCP_SYN | TCP_ACK, .mss = 1460, .wscale = 7 };
	for (unsigned int i = 0; i < MR_ARRAY_LEN(sizes); i++) {
		b.n = sizes[i].n;
		b.slots = aligned_alloc(MR_CACHE_LINE, b.n * sizeof(struct slot));
		if (b.slots == NULL)
			return 1;
		measure(&b, sizes[i].what);
		free(b.slots);
	}
	return b.sink == 1;	/* keeps the results alive */
}

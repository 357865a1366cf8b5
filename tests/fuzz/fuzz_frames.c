/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames, time and calls into two engines whose connections stand in every state (pair.h). An input
 * is two octets of setup, then steps: an octet says what, the next ones say how. Numbers of a
 * segment are told from what the connection's record says, so that the fuzzer finds the edges of
 * windows without having to guess 32 bits; and there are frames that are all its own.
 */
#include <stdio.h>

#include "input.h"
#include "pair.h"

#define STEPS_MAX	400u
#define BURST_MAX	16u
#define RAW_MAX		400u

static struct pair_frame burst[BURST_MAX];
static uint32_t nburst;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	pair_process();
	return 0;
}

static void arrive(void)
{
	if (nburst != 0)
		pair_receive(burst, nburst);
	nburst = 0;
}

/* Another frame of the burst; alone where what is short would couple connections. */
static void add_frame(const struct pair_frame *f, bool more)
{
	burst[nburst++] = *f;
	if (!more || nburst == BURST_MAX || (setup.params & P_TIGHT) != 0)
		arrive();
}

/* ---- segments ---- */

static uint32_t pick_seq(struct fuzz_in *in, const struct view *v, uint8_t how)
{
	const uint32_t off = how & 4 ? (uint32_t)(int16_t)in16(in) : (uint32_t)(int8_t)in8(in);

	switch (how & 3) {
	case 0: return v->rcv_nxt;
	case 1: return v->rcv_nxt + off;
	case 2: return v->rcv_edge + off;
	default: return in32(in);
	}
}

static uint32_t pick_ack(struct fuzz_in *in, const struct view *v, uint8_t how)
{
	switch (how & 3) {
	case 0: return v->snd_nxt;
	case 1: return v->snd_nxt + (uint32_t)(int8_t)in8(in);
	case 2: return v->snd_una + (uint32_t)(int16_t)in16(in);
	default: return how & 4 ? in32(in) : v->snd_una;
	}
}

static uint16_t pick_len(struct fuzz_in *in, uint8_t how)
{
	static const uint16_t lens[] = {0, 0, 1, 100, 536, 1000, 1448};
	const uint8_t i = how & 7;

	return i < MR_ARRAY_LEN(lens) ? lens[i] : (uint16_t)(in16(in) % 1449);
}

static uint16_t pick_wnd(struct fuzz_in *in, uint8_t how)
{
	static const uint16_t wnds[] = {60000, 0, 1};
	const uint8_t i = how >> 3 & 3;

	return i < MR_ARRAY_LEN(wnds) ? wnds[i] : in16(in);
}

/*
 * A SYN has no SACK blocks: what tells how many says what it has of Fast Open. A SYN-ACK grants
 * what our own end has granted: as good as any.
 */
static void pick_fastopen(uint32_t t, uint8_t opts, struct tcp_seg *seg)
{
	if ((setup.options & O_FASTOPEN) != 0 && (seg->flags & TCP_SYN) != 0 &&
	    (seg->opts & TCP_OPT_SACK) == 0 && (opts & 0x40) != 0)
		peer_fastopen(t, seg, (opts & 0x80) != 0);
}

static void pick_options(struct fuzz_in *in, uint32_t t, struct tcp_seg *seg)
{
	const struct view *v = peer_view(t);
	const uint8_t opts = in8(in);

	seg->opts = opts & (TCP_OPT_MSS | TCP_OPT_WS | TCP_OPT_SACK_OK | TCP_OPT_SACK | TCP_OPT_TS);
	seg->mss = seg->opts & TCP_OPT_MSS ? in16(in) : 0;
	seg->wscale = seg->opts & TCP_OPT_WS ? in8(in) : 0;
	seg->tsval = (uint32_t)(now_us / 1000);
	seg->tsecr = v->tsecr;
	if ((opts & 0x20) != 0) {
		seg->tsval += (uint32_t)(int16_t)in16(in);
		seg->tsecr += (uint32_t)(int8_t)in8(in);
	}
	pick_fastopen(t, opts, seg);
	if ((seg->opts & TCP_OPT_SACK) == 0)
		return;
	seg->nsack = (uint8_t)(1 + (opts >> 6));
	for (unsigned int i = 0; i < seg->nsack; i++) {
		seg->sack[i].left = v->snd_una + (uint32_t)(int16_t)in16(in);
		seg->sack[i].right = seg->sack[i].left + in16(in);
	}
}

/* The way a frame comes: in pieces, with padding, checked by the port, tagged by it, damaged. */
static void dress(struct fuzz_in *in, struct pair_frame *f)
{
	const uint8_t how = in8(in);

	if (how & 1) {
		f->cut[0] = 1 + in16(in) % f->len;
		f->cut[1] = f->cut[0] + in8(in);
		f->cut[0] = MR_MIN(f->cut[0], f->len);
		f->cut[1] = MR_MIN(f->cut[1], f->len);
	}
	if (how & 2)
		f->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (how & 4) {
		f->octets[in16(in) % f->len] ^= (uint8_t)(1 + in8(in) % 255);
		f->octets[14 + in8(in) % 60] = in8(in);
	}
	if ((how & 8) != 0 && f->len + 40 < FRAME_MAX)
		f->len += in8(in) % 40;
	if (how & 16)
		f->len = MR_MAX(14u, f->len - f->len % (in8(in) + 1u));
	if (how & 32) {
		f->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		f->tci = in8(in) & 1;
	}
	if (how & 64)
		f->ol_flags |= (uint64_t)in8(in) << 3;	/* bad, none: what ports say of sums */
	f->cut[0] = MR_MIN(f->cut[0], f->len);
	f->cut[1] = MR_MIN(f->cut[1], f->len);
}

static void segment(struct fuzz_in *in)
{
	static const uint8_t flags[] = {TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN, TCP_SYN,
					TCP_SYN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK};
	const uint32_t t = in8(in) % TUPLES;
	const uint8_t how = in8(in), sizes = in8(in), i = how & 7;
	const struct view *v = peer_view(t);
	static struct pair_frame f;
	struct tcp_seg seg = {0};
	const uint8_t *extra = NULL;
	uint32_t nextra = 0;

	seg.flags = i < MR_ARRAY_LEN(flags) ? flags[i] : in8(in);
	seg.seq = pick_seq(in, v, how >> 3);
	seg.ack = pick_ack(in, v, how >> 6 | (sizes >> 5 & 4));
	seg.len = pick_len(in, sizes);
	seg.wnd = pick_wnd(in, sizes);
	if (sizes & 0x20)
		pick_options(in, t, &seg);
	if (seg.flags & TCP_URG)
		seg.urg = in16(in);
	if ((sizes & 0x60) == 0x60) {
		nextra = in8(in) % 41u;
		extra = in_octets(in, &nextra);
	}
	peer_frame(t, &seg, extra, nextra, &f);
	if (sizes & 0x40)
		dress(in, &f);
	add_frame(&f, (in8(in) & 1) != 0);
}

static void raw(struct fuzz_in *in)
{
	static const uint8_t ether[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	static struct pair_frame f;
	uint32_t n = in16(in) % RAW_MAX;
	const uint8_t *octets = in_octets(in, &n);

	if (n == 0)
		return;
	memset(&f, 0, sizeof(f));
	memcpy(f.octets, ether, 12);
	memcpy(f.octets + 12, octets, n);
	f.len = n + 12;
	/* half of them pass the checksums' guard, which the fuzzer would seldom pass */
	if (n & 1)
		f.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	add_frame(&f, false);
}

static void icmp(struct fuzz_in *in)
{
	const uint32_t t = in8(in) % TUPLES;
	const uint8_t type = in8(in), code = in8(in);
	const struct view *v = peer_view(t);
	static struct pair_frame f;

	peer_icmp(t, type, code, v->snd_una + (uint32_t)(int8_t)in8(in), &f);
	add_frame(&f, false);
}

/* ---- time and calls ---- */

/* From a millisecond to half an hour. */
static void time_goes_on(struct fuzz_in *in)
{
	const uint8_t how = in8(in);

	pair_time((uint32_t)(1 + (how & 15)) << MR_MIN(how >> 4, 17));
}

static void call_one(struct side *s, uint32_t t, uint8_t what, uint16_t n)
{
	static const uint8_t octets[65536] = {1, 2, 3};
	struct mr_worker *w = s->w;
	const mr_conn c = s->conn[t];
	struct mr_tcp_info info;
	struct rte_mbuf *m;
	uint32_t used;

	switch (what % 10) {
	case 0:
		mr_send_copy(w, c, octets, n, what >> 6);
		break;
	case 1:
		used = MR_MIN(n, s->unread[t]);
		mr_consumed(w, c, used);
		s->unread[t] -= used;
		break;
	case 2: mr_shutdown(w, c); break;
	case 3: mr_close(w, c); break;
	case 4: mr_abort(w, c); break;
	case 5: mr_set_timeout(w, c, n); break;
	case 6: mr_want_writable(w, c); break;
	case 7: mr_tcp_info(w, c, &info); break;
	case 8:
		m = rte_pktmbuf_alloc(s->data);
		MR_ASSERT(m != NULL);
		memset(rte_pktmbuf_append(m, n % 1400), n & 0xff, n % 1400);
		if (mr_send(w, c, m, what >> 6) == 0)
			rte_pktmbuf_free(m);
		break;
	default: mr_send_room(w, c); break;
	}
	/* what a callback would have the loop do afterwards */
	stack_turn(w);
	stack_flush(w);
}

static void call(struct fuzz_in *in)
{
	const uint32_t t = in8(in) % TUPLES;
	const uint8_t what = in8(in);
	const uint16_t n = in16(in);

	for (unsigned int i = 0; i < 2; i++)
		call_one(&side[i], t, what, n);
}

static void rare(struct fuzz_in *in)
{
	static struct pair_frame answers[2];
	const uint8_t what = in8(in);

	if (what % 4 == 0) {
		peer_neighbours(answers);
		pair_receive(answers, 2);
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct mr_worker *w = side[i].w;

		if (what % 4 == 1)
			stack_link(w, 0, (what & 4) != 0);
		else if (what == 254)
			stack_drain(w);
		else if (what == 255)
			stack_close_all(w, false, 64);
		else if (what == 251)
			stack_close_all(w, true, 64);
		stack_turn(w);
		stack_flush(w);
	}
}

static void step(struct fuzz_in *in)
{
	const uint8_t what = in8(in) % 16;

	if (what < 8) {
		segment(in);
		return;
	}
	arrive();
	switch (what) {
	case 8: case 9: time_goes_on(in); break;
	case 10: case 11: call(in); break;
	case 12: policy[in8(in) % (TUPLES + 1)] = in8(in); break;
	case 13: raw(in); break;
	case 14: icmp(in); break;
	default:
		if (in8(in) & 1)
			rare(in);
		else
			pair_connect(in8(in) % TUPLES);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = {data, data + len};
	const struct pair_setup s = {.params = in8(&in), .options = in8(&in)};

	pair_begin(&s);
	states_prepare();
	for (uint32_t i = 0; i < STEPS_MAX && in_more(&in); i++) {
		step(&in);
		if (nburst == 0)
			same_or_abort();
	}
	arrive();
	same_or_abort();
	pair_time(1);
	pair_end();
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP header of a verified frame as values, and its options. Knows nothing of connections:
 * which option is allowed in which segment is the state machine's business.
 */
#include <string.h>

#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "check.h"
#include "frame.h"
#include "octets.h"

enum {
	OPT_EOL = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WS = 3, OPT_SACK_OK = 4,
	OPT_SACK = 5, OPT_TS = 8, OPT_FASTOPEN = 34, OPT_EXPERIMENT = 254,
};

#define TCP_HDR_LEN	20u
#define TCP_HDR_MAX	60u
#define TS_LEN		10u
#define WSCALE_MAX	14u	/* RFC 7323 2.3 */

/* RFC 2018 3: 8 octets a block, at most 4 fit into 40 octets. */
static void sack_blocks(const uint8_t *opt, uint8_t len, struct tcp_seg *seg)
{
	const uint8_t n = (uint8_t)((len - 2) / 8);

	if (len < 10 || (len - 2) % 8 != 0 || n > TCP_SACK_BLOCKS_MAX)
		return;
	for (uint8_t i = 0; i < n; i++) {
		seg->sack[i].left = wire_be32(wire_load32(opt + 2 + 8 * i));
		seg->sack[i].right = wire_be32(wire_load32(opt + 6 + 8 * i));
	}
	seg->nsack = n;
	seg->opts = (uint8_t)((seg->opts | TCP_OPT_SACK) & ~TCP_OPT_FASTOPEN);
}

/* RFC 7413 4.1.1: an even number of octets, 4 to 16; none asks for some. */
static void fast_open(const uint8_t *cookie, unsigned int len, bool experimental,
		      struct tcp_seg *seg)
{
	if (len % 2 != 0 || len > TCP_COOKIE_MAX || (len != 0 && len < TCP_COOKIE_MIN) ||
	    (seg->opts & TCP_OPT_SACK) != 0)
		return;
	memcpy(seg->cookie, cookie, len);
	seg->cookie_len = (uint8_t)len;
	seg->cookie_exp = experimental;
	seg->opts |= TCP_OPT_FASTOPEN;
}

/* One option whose len octets lie within the header. A known kind of another length than its own
 * says nothing we could trust: it is skipped like an unknown kind. A repeated option overrides. */
static void one_option(const uint8_t *opt, uint8_t len, struct tcp_seg *seg)
{
	switch (opt[0]) {
	case OPT_MSS:
		/* RFC 9293 3.7.1. An MSS of 0 could never be obeyed: as if absent. */
		if (len == 4 && wire_load16(opt + 2) != 0) {
			seg->mss = wire_be16(wire_load16(opt + 2));
			seg->opts |= TCP_OPT_MSS;
		}
		break;
	case OPT_WS:
		if (len == 3) {
			seg->wscale = (uint8_t)MR_MIN(opt[2], WSCALE_MAX);
			seg->opts |= TCP_OPT_WS;
		}
		break;
	case OPT_SACK_OK:
		if (len == 2)
			seg->opts |= TCP_OPT_SACK_OK;
		break;
	case OPT_SACK:
		sack_blocks(opt, len, seg);
		break;
	case OPT_TS:
		if (len == TS_LEN) {
			seg->tsval = wire_be32(wire_load32(opt + 2));
			seg->tsecr = wire_be32(wire_load32(opt + 6));
			seg->opts |= TCP_OPT_TS;
		}
		break;
	case OPT_FASTOPEN:
		fast_open(opt + 2, len - 2u, false, seg);
		break;
	case OPT_EXPERIMENT:	/* RFC 6994: whose it is says the number behind the length */
		if (len >= 4 && wire_be16(wire_load16(opt + 2)) == TCP_FASTOPEN_MAGIC)
			fast_open(opt + 4, len - 4u, true, seg);
		break;
	default:	/* RFC 9293 MUST-6 */
		break;
	}
}

/*
 * The options of a SYN in the layout of Linux, with SACK or without, or an MSS alone; false: any
 * others. Only accepts: an MSS of 0, or another layout, is any_options()'s.
 */
static inline bool syn_options(const uint8_t *opt, uint16_t len, struct tcp_seg *seg)
{
	const uint32_t mss = wire_be32(wire_load32(opt));
	uint32_t ws, word;

	if (mss >> 16 != (OPT_MSS << 8 | 4) || (mss & 0xffff) == 0)
		return false;
	seg->mss = (uint16_t)mss;
	if (len == 4) {
		seg->opts = TCP_OPT_MSS;
		return true;
	}
	ws = wire_be32(wire_load32(opt + 16));
	word = wire_be32(wire_load32(opt + 4));
	if ((word != 0x0402080au && word != 0x0101080au) || ws >> 8 != 0x010303)
		return false;
	seg->tsval = wire_be32(wire_load32(opt + 8));
	seg->tsecr = wire_be32(wire_load32(opt + 12));
	seg->wscale = (uint8_t)MR_MIN(ws & 0xff, WSCALE_MAX);
	seg->opts = TCP_OPT_MSS | TCP_OPT_TS | TCP_OPT_WS;
	if (word == 0x0402080au)
		seg->opts |= TCP_OPT_SACK_OK;
	return true;
}

/* RFC 9293 3.1 at any alignment (MUST-64). Ends: every turn takes at least one octet of len. */
static MR_NOINLINE void any_options(const uint8_t *opt, uint16_t len, struct tcp_seg *seg)
{
	uint16_t at = 0;

	while (at < len && opt[at] != OPT_EOL) {
		uint8_t opt_len;

		if (opt[at] == OPT_NOP) {
			at++;
			continue;
		}
		/* MUST-7: a length of 0 or 1, or one beyond the header, ends parsing. */
		if (len - at < 2)
			return;
		opt_len = opt[at + 1];
		if (opt_len < 2 || opt_len > len - at)
			return;
		one_option(opt + at, opt_len, seg);
		at = (uint16_t)(at + opt_len);
	}
}

void wire_tcp_options(const uint8_t *opt, uint16_t len, struct tcp_seg *seg)
{
	static const uint8_t aligned_ts[4] = { OPT_NOP, OPT_NOP, OPT_TS, TS_LEN };

	MR_CHECK(len <= 40);
	seg->opts = 0;
	seg->nsack = 0;
	if (len == 0)
		return;
	/* RFC 7323 appendix A: the layout nearly every sender uses. */
	if (MR_LIKELY(len == 12 && wire_load32(opt) == wire_load32(aligned_ts))) {
		seg->tsval = wire_be32(wire_load32(opt + 4));
		seg->tsecr = wire_be32(wire_load32(opt + 8));
		seg->opts = TCP_OPT_TS;
		return;
	}
	if ((len == 4 || len == 20) && syn_options(opt, len, seg))
		return;
	any_options(opt, len, seg);
}

bool wire_tcp_values(const struct rte_mbuf *m, const struct wire_frame *f, struct tcp_seg *seg,
		     uint16_t *payload_off, uint16_t *drop)
{
	const uint32_t off = (uint32_t)f->l2_len + f->l3_len;
	const uint32_t want = MR_MIN(f->l4_len, TCP_HDR_MAX);
	uint8_t copy[TCP_HDR_MAX];
	const uint8_t *hdr = rte_pktmbuf_read(m, off, want, copy);
	const struct rte_tcp_hdr *tcp = (const void *)hdr;
	uint16_t hdr_len;

	if (MR_UNLIKELY(hdr == NULL || want < TCP_HDR_LEN))
		goto malformed;
	hdr_len = (uint16_t)((tcp->data_off >> 4) * 4);
	if (MR_UNLIKELY(hdr_len < TCP_HDR_LEN || hdr_len > f->l4_len))
		goto malformed;
	seg->seq = wire_be32(tcp->sent_seq);
	seg->ack = wire_be32(tcp->recv_ack);
	seg->wnd = wire_be16(tcp->rx_win);
	seg->urg = wire_be16(tcp->tcp_urp);
	seg->flags = tcp->tcp_flags;
	seg->ecn = f->tos & ECN_CE;
	seg->len = (uint16_t)(f->l4_len - hdr_len);
	*payload_off = (uint16_t)(off + hdr_len);
	wire_tcp_options(hdr + TCP_HDR_LEN, (uint16_t)(hdr_len - TCP_HDR_LEN), seg);
	return true;
malformed:
	*drop = MR_C_RX_TCP_HEADER;
	return false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's own reading of a frame. It shares nothing with lib/wire, so that a mistake there
 * is not made twice. Frames of the simulation have no VLAN tags and no IP options.
 */
#ifndef SIM_SEG_H
#define SIM_SEG_H

#include "tcp_seg.h"

static inline uint16_t sim_get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t sim_get32(const uint8_t *p)
{
	return (uint32_t)sim_get16(p) << 16 | sim_get16(p + 2);
}
static inline void sim_put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void sim_put32(uint8_t *p, uint32_t v)
{
	sim_put16(p, v >> 16);
	sim_put16(p + 2, v & 0xffff);
}

#define SIM_OPT_FASTOPEN 34

struct sim_seg {
	uint8_t family;			/* 4 or 6 */
	uint8_t src_host, dst_host;	/* last octet of the address, less one */
	uint8_t flags, scale;		/* scale: of the option, 0xff: none */
	uint8_t nsack;
	uint8_t fastopen;		/* octets of the option (RFC 7413), 2: asks; 0: none */
	uint16_t sport, dport, wnd, mss;
	uint32_t seq, ack, tsval;
	bool has_ts;
	uint16_t len;
	const uint8_t *header, *payload;
};

/* Sequence space. */
static inline uint32_t sim_seg_space(const struct sim_seg *g)
{
	return g->len + ((g->flags & TCP_SYN) != 0) + ((g->flags & TCP_FIN) != 0);
}

static inline void sim_seg_options(struct sim_seg *g, const uint8_t *o, const uint8_t *end)
{
	while (o < end && *o != 0) {
		if (*o == 1) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return;
		/* A bit may have flipped: of another length it is none of these. */
		if (*o == 2 && o[1] == 4)
			g->mss = sim_get16(o + 2);
		else if (*o == 3 && o[1] == 3)
			g->scale = o[2];
		else if (*o == 5)
			g->nsack = (uint8_t)((o[1] - 2) / 8);
		else if (*o == 8 && o[1] == 10) {
			g->has_ts = true;
			g->tsval = sim_get32(o + 2);
		} else if (*o == SIM_OPT_FASTOPEN)
			g->fastopen = o[1];
		o += o[1];
	}
}

/* Where the TCP header starts; 0: no TCP, or less of it than its lengths say. */
static inline unsigned int sim_tcp_offset(const uint8_t *p, uint16_t len)
{
	const unsigned int type = len < 54 ? 0 : sim_get16(p + 12);
	const unsigned int at = type == 0x0800 ? 34 : 54;

	if ((type != 0x0800 || p[23] != 6) && (type != 0x86dd || p[20] != 6))
		return 0;
	if (len < at + 20 || len < at + (p[at + 12] >> 4) * 4u)
		return 0;
	return at;
}

/* False: the frame is no TCP segment. */
static inline bool sim_seg_parse(const uint8_t *p, uint16_t len, struct sim_seg *g)
{
	const unsigned int at = sim_tcp_offset(p, len);
	const uint8_t *t = p + at;
	unsigned int end;

	if (at == 0)
		return false;
	end = at == 34 ? 14u + sim_get16(p + 16) : 54u + sim_get16(p + 18);
	if (end > len || end < at + (t[12] >> 4) * 4u)
		return false;
	*g = (struct sim_seg){
		.family = at == 34 ? 4 : 6,
		.src_host = (uint8_t)(p[at == 34 ? 29 : 37] - 1),
		.dst_host = (uint8_t)(p[at == 34 ? 33 : 53] - 1),
		.sport = sim_get16(t), .dport = sim_get16(t + 2),
		.seq = sim_get32(t + 4), .ack = sim_get32(t + 8),
		.flags = t[13], .wnd = sim_get16(t + 14), .scale = 0xff,
		.len = (uint16_t)(end - at - (t[12] >> 4) * 4u),
		.header = t,
		.payload = t + (t[12] >> 4) * 4u,
	};
	sim_seg_options(g, t + 20, g->payload);
	return true;
}

#endif /* SIM_SEG_H */

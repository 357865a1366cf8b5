/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See link.h.
 */
#include <string.h>

#include "link.h"
#include "check.h"
#include "seg.h"

#define ETHER_OCTETS	14u
#define WIRE_OVERHEAD	24u	/* preamble, FCS and gap: they take time too */

static bool chance(struct mr_rng *r, uint32_t in_65536)
{
	return in_65536 != 0 && (mr_rng_next(r) & 0xffff) < in_65536;
}

static uint64_t exponential(struct mr_rng *r, uint32_t mean)
{
	return (uint64_t)mr_rng_exponential(r, mean) + 1;
}

void sim_path_init(struct sim_path *p, const struct sim_link *l, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	mr_rng_seed(&p->rng, seed);
	mr_rng_seed(&p->weather, seed ^ 0x77ea74e2ull);
	p->mtu = l->mtu_max != 0 ? l->mtu_max : 1500;
	p->mtu_next_us = exponential(&p->weather, l->mtu_every_us);
	p->burst.next_us = exponential(&p->weather, l->burst_good_us);
	p->silence.next_us = exponential(&p->weather, l->silence_every_us);
	if (l->box != SIM_BOX_NONE)
		p->box.next_us = exponential(&p->weather, l->box_off_us);
}

/* Both times have a mean, so each loop ends after about now / mean steps, once in all. */
static bool spell_at(struct sim_path *p, struct sim_spell *s, uint32_t off_us, uint32_t on_us,
		     uint64_t now_us)
{
	if (off_us == 0)
		return false;
	while (s->next_us <= now_us) {
		s->on = !s->on;
		s->next_us += exponential(&p->weather, s->on ? on_us : off_us);
	}
	return s->on;
}

static uint16_t mtu_at(struct sim_path *p, const struct sim_link *l, uint64_t now_us)
{
	if (l->mtu_every_us == 0 || l->mtu_max == 0)
		return p->mtu;
	while (p->mtu_next_us <= now_us) {
		const uint32_t span = l->mtu_max - l->mtu_min + 1u;

		p->mtu = (uint16_t)(l->mtu_min + mr_rng_below(&p->weather, span));
		/* Every other time the path is as wide as it was promised to be. */
		if (mr_rng_below(&p->weather, 2) == 0)
			p->mtu = l->mtu_max;
		p->mtu_next_us += exponential(&p->weather, l->mtu_every_us);
	}
	return p->mtu;
}

/* When the last bit has left; 0: the queue is full. */
static uint64_t leaves_at(struct sim_path *p, const struct sim_link *l, uint64_t now_us,
			  uint16_t len)
{
	const uint64_t now_ns = now_us * 1000;
	uint64_t ns;

	if (l->rate_kbps == 0)
		return now_us;
	if (p->busy_ns < now_ns)
		p->busy_ns = now_ns;
	/* What waits, as octets: ns x kbit/s is 10^-6 bit. */
	if (l->queue_octets != 0 &&
	    (p->busy_ns - now_ns) * l->rate_kbps / 8000000 > l->queue_octets)
		return 0;
	ns = (len + WIRE_OVERHEAD) * 8000000ull / l->rate_kbps;
	p->busy_ns += ns;
	return (p->busy_ns + 999) / 1000;
}

static bool lost(struct sim_path *p, const struct sim_link *l, uint64_t now_us)
{
	if (spell_at(p, &p->silence, l->silence_every_us, l->silence_us, now_us)) {
		p->stats.silenced++;
		return true;
	}
	if (chance(&p->rng, l->loss) ||
	    (spell_at(p, &p->burst, l->burst_good_us, l->burst_bad_us, now_us) &&
	     chance(&p->rng, l->burst_loss))) {
		p->stats.lost++;
		return true;
	}
	return false;
}

/* One of the copies of a frame that comes through. */
static void one_copy(struct sim_path *p, const struct sim_link *l, struct sim_passage *out)
{
	const unsigned int k = out->copies++;

	if (l->jitter_us != 0)
		out->at_us[k] += mr_rng_below(&p->rng, l->jitter_us);
	if (chance(&p->rng, l->reorder)) {
		out->at_us[k] += l->reorder_us;
		p->stats.reordered++;
	}
	if (chance(&p->rng, l->corrupt)) {
		/* Behind the Ethernet header: that is new on every link, and has a check of its own
		 * there. Damage that TCP must see happens inside of routers. */
		out->flip[k] = 1 + 8 * ETHER_OCTETS +
			       (uint32_t)mr_rng_below(&p->rng, (out->len[k] - ETHER_OCTETS) * 8u);
		p->stats.corrupted++;
	}
	if (chance(&p->rng, l->truncate)) {
		out->len[k] = (uint16_t)mr_rng_below(&p->rng, out->len[k]);
		p->stats.truncated++;
	}
}

void sim_path_pass(struct sim_path *p, const struct sim_link *l, uint64_t now_us, uint16_t len,
		   struct sim_passage *out)
{
	uint64_t at_us;

	*out = (struct sim_passage){.fate = SIM_LOST, .len = {len, len}};
	if (len > mtu_at(p, l, now_us) + ETHER_OCTETS) {
		out->fate = SIM_TOO_BIG;
		p->stats.too_big++;
		return;
	}
	at_us = leaves_at(p, l, now_us, len);
	if (at_us == 0) {
		p->stats.queue_full++;
		return;
	}
	if (lost(p, l, now_us))
		return;
	out->fate = SIM_PASS;
	out->at_us[0] = out->at_us[1] = at_us + l->delay_us;
	one_copy(p, l, out);
	if (chance(&p->rng, l->duplicate)) {
		p->stats.duplicated++;
		one_copy(p, l, out);
	}
}

/* ---- middleboxes ---- */

/* Sums of a segment that was changed; its TCP header stands at `at`. */
static void seal(uint8_t *p, unsigned int at)
{
	const uint32_t l4 = at == 34 ? sim_get16(p + 16) - 20u : sim_get16(p + 18);
	uint32_t sum = 6 + l4;

	for (unsigned int i = at == 34 ? 26 : 22; i < at; i += 2)
		sum += sim_get16(p + i);
	sim_put16(p + at + 16, 0);
	sim_put16(p + at + 16, sim_checksum(p + at, l4, sum));
	if (at != 34)
		return;
	sim_put16(p + 24, 0);
	sim_put16(p + 24, sim_checksum(p + 14, 20, 0));
}

static void strip(uint8_t *o, const uint8_t *end)
{
	while (o < end && *o != 0) {
		const unsigned int len = *o == 1 ? 1 : o[1];

		if (*o == SIM_OPT_FASTOPEN)
			memset(o, 1, len);
		o += len;
	}
}

static void cut_data(uint8_t *p, unsigned int at, uint16_t *len, uint16_t octets)
{
	uint8_t *field = p + (at == 34 ? 16 : 18);

	sim_put16(field, sim_get16(field) - octets);
	*len = (uint16_t)(*len - octets);
}

bool sim_box_pass(struct sim_path *p, const struct sim_link *l, uint64_t now_us, uint8_t *octets,
		  uint16_t *len)
{
	const unsigned int at = sim_tcp_offset(octets, *len);
	struct sim_seg g;

	if ((l->box == SIM_BOX_NONE && l->syn_loss == 0) || !sim_seg_parse(octets, *len, &g) ||
	    (g.flags & TCP_SYN) == 0)
		return true;
	if (chance(&p->rng, l->syn_loss)) {
		p->stats.lost++;
		return false;
	}
	if ((g.fastopen == 0 && g.len == 0) ||
	    !spell_at(p, &p->box, l->box_off_us, l->box_on_us, now_us))
		return true;
	if (l->box == SIM_BOX_DROPS_OPTION || (l->box == SIM_BOX_DROPS_DATA && g.len != 0)) {
		p->stats.lost++;
		return false;
	}
	if (l->box == SIM_BOX_DROPS_DATA)
		return true;
	strip(octets + at + 20, octets + at + (octets[at + 12] >> 4) * 4);
	if (l->box == SIM_BOX_CUTS)
		cut_data(octets, at, len, g.len);
	seal(octets, at);
	return true;
}

/* ---- too big (RFC 1191 4, RFC 4443 3.2) ---- */

uint16_t sim_checksum(const uint8_t *p, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += sim_get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The routers have host number 253, and no MAC that anybody asks for. */
static uint16_t too_big4(const uint8_t *p, uint16_t len, uint16_t mtu, uint8_t *to)
{
	const uint16_t quote = (uint16_t)MR_MIN(len - 14, 28);
	uint8_t *ip = to + 14, *icmp = ip + 20;

	memset(ip, 0, 28);
	ip[0] = 0x45;
	sim_put16(ip + 2, 28u + quote);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, p + 26, 4);	/* our network, the router's number */
	ip[15] = 254;
	memcpy(ip + 16, p + 26, 4);
	sim_put16(ip + 10, sim_checksum(ip, 20, 0));
	icmp[0] = 3;
	icmp[1] = 4;
	sim_put16(icmp + 6, mtu);
	memcpy(icmp + 8, p + 14, quote);
	sim_put16(icmp + 2, sim_checksum(icmp, 8u + quote, 0));
	return (uint16_t)(14 + 28 + quote);
}

static uint16_t too_big6(const uint8_t *p, uint16_t len, uint16_t mtu, uint8_t *to)
{
	const uint16_t quote = (uint16_t)MR_MIN(len - 14, 1200);
	uint8_t *ip = to + 14, *icmp = ip + 40;
	uint32_t sum = 58 + 8u + quote;

	memset(ip, 0, 48);
	ip[0] = 0x60;
	sim_put16(ip + 4, 8u + quote);
	ip[6] = 58;
	ip[7] = 64;
	memcpy(ip + 8, p + 22, 16);
	ip[23] = 254;
	memcpy(ip + 24, p + 22, 16);
	for (unsigned int i = 8; i < 40; i += 2)
		sum += sim_get16(ip + i);
	icmp[0] = 2;
	sim_put32(icmp + 4, mtu);
	memcpy(icmp + 8, p + 14, quote);
	sim_put16(icmp + 2, sim_checksum(icmp, 8u + quote, sum));
	return (uint16_t)(14 + 48 + quote);
}

uint16_t sim_too_big(const uint8_t *p, uint16_t len, uint16_t mtu, uint8_t *to)
{
	if (sim_tcp_offset(p, len) == 0)
		return 0;
	memcpy(to, p + 6, 6);
	memcpy(to + 6, (const uint8_t[]){2, 0, 0, 0, 0, 0xfe}, 6);
	memcpy(to + 12, p + 12, 2);
	return sim_get16(p + 12) == 0x0800 ? too_big4(p, len, mtu, to)
					   : too_big6(p, len, mtu, to);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options: wire_tcp_options() against a reader made of a table, on any octets; what was read is
 * written and read again. The octets lie at the end of an allocation of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static uint32_t number(const uint8_t *p, unsigned int octets)
{
	uint32_t n = 0;

	while (octets-- != 0)
		n = n << 8 | *p++;
	return n;
}

/* One option of its right length. RFC 9293 3.1, RFC 7323 2 and 3, RFC 2018 2 and 3. */
static void take(const uint8_t *o, struct tcp_seg *s)
{
	if (o[0] == 2 && o[1] == 4 && number(o + 2, 2) != 0) {
		s->opts |= TCP_OPT_MSS;
		s->mss = (uint16_t)number(o + 2, 2);
	} else if (o[0] == 3 && o[1] == 3) {
		s->opts |= TCP_OPT_WS;
		s->wscale = o[2] > 14 ? 14 : o[2];
	} else if (o[0] == 4 && o[1] == 2) {
		s->opts |= TCP_OPT_SACK_OK;
	} else if (o[0] == 8 && o[1] == 10) {
		s->opts |= TCP_OPT_TS;
		s->tsval = number(o + 2, 4);
		s->tsecr = number(o + 6, 4);
	} else if (o[0] == 5 && (o[1] == 10 || o[1] == 18 || o[1] == 26 || o[1] == 34)) {
		s->opts = (uint8_t)((s->opts | TCP_OPT_SACK) & ~TCP_OPT_FASTOPEN);
		s->nsack = (uint8_t)(o[1] / 8);
		for (unsigned int i = 0; i < s->nsack; i++) {
			s->sack[i].left = number(o + 2 + 8 * i, 4);
			s->sack[i].right = number(o + 6 + 8 * i, 4);
		}
	}
}

/* RFC 7413 4.1.1, and the option of before it (RFC 6994): an even number of octets, 4 .. 16. */
static void take_cookie(const uint8_t *o, struct tcp_seg *s)
{
	static const uint8_t lengths[] = {0, 4, 6, 8, 10, 12, 14, 16};
	const bool exp = o[0] == 254 && o[1] >= 4 && number(o + 2, 2) == 0xf989;
	const unsigned int front = exp ? 4 : 2;

	if ((o[0] != 34 && !exp) || (s->opts & TCP_OPT_SACK))
		return;
	for (unsigned int i = 0; i < sizeof(lengths); i++) {
		if (o[1] != front + lengths[i])
			continue;
		s->opts |= TCP_OPT_FASTOPEN;
		s->cookie_len = lengths[i];
		s->cookie_exp = exp;
		for (unsigned int k = 0; k < lengths[i]; k++)
			s->cookie[k] = o[front + k];
	}
}

static void naive(const uint8_t *o, unsigned int len, struct tcp_seg *s)
{
	while (len != 0 && o[0] != 0) {
		unsigned int n = o[0] == 1 ? 1 : len >= 2 ? o[1] : 0;

		if (n > len || (o[0] != 1 && n < 2))
			return;
		if (o[0] != 1) {
			take(o, s);
			take_cookie(o, s);
		}
		o += n;
		len -= n;
	}
}

static void same(const struct tcp_seg *a, const struct tcp_seg *b)
{
	MR_ASSERT(a->opts == b->opts && a->nsack == b->nsack);
	MR_ASSERT((a->opts & TCP_OPT_MSS) == 0 || a->mss == b->mss);
	MR_ASSERT((a->opts & TCP_OPT_WS) == 0 || a->wscale == b->wscale);
	MR_ASSERT((a->opts & TCP_OPT_TS) == 0 || (a->tsval == b->tsval && a->tsecr == b->tsecr));
	if (a->opts & TCP_OPT_FASTOPEN) {
		MR_ASSERT(a->cookie_len == b->cookie_len && a->cookie_exp == b->cookie_exp);
		MR_ASSERT(memcmp(a->cookie, b->cookie, a->cookie_len) == 0);
	}
	if (a->opts & TCP_OPT_SACK)
		MR_ASSERT(memcmp(a->sack, b->sack, a->nsack * sizeof(a->sack[0])) == 0);
}

/* What is written is read as it was; blocks that do not fit are left out, the first ones stay. */
static void again(const struct tcp_seg *seg)
{
	struct tcp_seg back = {0}, want = *seg;
	uint8_t octets[40];
	const uint16_t len = wire_tcp_options_len(seg);

	MR_ASSERT(len <= sizeof(octets) && len % 4 == 0);
	memset(octets, 0xaa, sizeof(octets));
	MR_ASSERT(wire_put_tcp_options(octets, seg) == len);
	for (unsigned int i = len; i < sizeof(octets); i++)
		MR_ASSERT(octets[i] == 0xaa);
	wire_tcp_options(octets, len, &back);
	MR_ASSERT(back.nsack <= want.nsack);
	want.nsack = back.nsack;
	if (back.nsack == 0)
		want.opts = (uint8_t)(want.opts & ~TCP_OPT_SACK);
	same(&want, &back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tcp_seg seg = {0}, twin = {0};
	uint8_t *copy;

	if (len > 40)
		return -1;
	copy = malloc(len + 1);
	MR_ASSERT(copy != NULL);
	memcpy(copy + 1, data, len);	/* at an odd address */
	wire_tcp_options(copy + 1, (uint16_t)len, &seg);
	naive(copy + 1, (unsigned int)len, &twin);
	same(&seg, &twin);
	again(&seg);
	free(copy);
	return 0;
}

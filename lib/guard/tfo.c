/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys and cookies of Fast Open, and the limit on what they let in. See tfo.h. */
#include <string.h>

#include "check.h"
#include "tfo.h"

/* Other words than SYN cookies make of the same secret: no key of theirs is one of these. */
static struct mr_sipkey key_of(const struct mr_sipkey *secret, uint64_t period)
{
	const uint64_t words[2][2] = {{period, 0x54464f30}, {period, 0x54464f31}};

	return (struct mr_sipkey){mr_siphash(secret, words[0], sizeof(words[0]), 2, 4),
				  mr_siphash(secret, words[1], sizeof(words[1]), 2, 4)};
}

static void keys_of(struct tfo_keys *k, uint64_t period)
{
	for (uint64_t i = 0; i < TFO_KEYS; i++)
		k->key[(period - i) % TFO_KEYS] = key_of(&k->secret, period - i);
	k->period = period;
	k->period_end_us = (period + 1) * TFO_PERIOD_US;
}

void tfo_keys_init(struct tfo_keys *k, const struct mr_sipkey *secret, uint64_t now_us)
{
	*k = (struct tfo_keys){.secret = *secret};
	keys_of(k, now_us / TFO_PERIOD_US);
}

static void keys_of_now(struct tfo_keys *k, uint64_t now_us)
{
	if (now_us >= k->period_end_us)
		keys_of(k, now_us / TFO_PERIOD_US);
}

static void make(const struct tfo_keys *k, uint64_t period, const struct tfo_words *words,
		 uint8_t *cookie)
{
	uint64_t hash;

	MR_CHECK(words->n <= MR_ARRAY_LEN(words->w));
	hash = mr_sip24_words(&k->key[period % TFO_KEYS], words->w, words->n);
	memcpy(cookie, &hash, TFO_COOKIE_LEN);
}

void tfo_cookie(struct tfo_keys *k, uint64_t now_us, const struct tfo_words *words,
		uint8_t cookie[TFO_COOKIE_LEN])
{
	keys_of_now(k, now_us);
	make(k, k->period, words, cookie);
}

enum tfo_verdict tfo_check(struct tfo_keys *k, uint64_t now_us, const struct tfo_words *words,
			   const uint8_t *cookie, unsigned int len)
{
	uint8_t ours[TFO_COOKIE_LEN];

	keys_of_now(k, now_us);
	if (len != TFO_COOKIE_LEN)
		return TFO_FORGED;
	make(k, k->period, words, ours);
	if (memcmp(ours, cookie, TFO_COOKIE_LEN) == 0)
		return TFO_VALID;
	make(k, k->period - 1, words, ours);
	return memcmp(ours, cookie, TFO_COOKIE_LEN) == 0 ? TFO_OLD : TFO_FORGED;
}

/* ---- the limit ---- */

static void roll(struct tfo_pending *p, uint32_t now_ms)
{
	const uint32_t span = now_ms / TFO_RESET_MS;

	if (span == p->span)
		return;
	p->reset[1] = span == p->span + 1 ? p->reset[0] : 0;
	p->reset[0] = 0;
	p->span = span;
}

bool tfo_admits(struct tfo_pending *p, uint32_t most, uint32_t now_ms)
{
	roll(p, now_ms);
	return (uint64_t)p->live + p->reset[0] + p->reset[1] < most;
}

void tfo_settled(struct tfo_pending *p, bool reset, uint32_t now_ms)
{
	MR_ASSERT(p->live != 0);
	roll(p, now_ms);
	p->live--;
	p->reset[0] += reset;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server grants and risks by TCP Fast Open (RFC 7413): cookies, which show that a client has
 * received something at its address before, and the limit on connections that data of a SYN opened
 * and whose handshake is not complete. Knows neither frames nor connections: words in, verdicts
 * out; the time is an argument.
 *
 * A cookie is SipHash-2-4 of the client's address and ours, 8 octets (4.1.2). Its key follows from
 * the secret that all workers of an engine have, and the number of the period, so every worker can
 * check what another has granted. The keys of this period and of the one before are good: a cookie
 * lasts one to two of them, and who brings one of the old key gets a new one along.
 */
#ifndef MR_TFO_H
#define MR_TFO_H

#include "attr.h"
#include "siphash.h"

#define TFO_COOKIE_LEN	8u
#define TFO_PERIOD_US	(6ull * 3600 * 1000000)	/* 6 hours */
#define TFO_KEYS	2u

struct tfo_keys {
	struct mr_sipkey secret;
	struct mr_sipkey key[TFO_KEYS];	/* of period p at p % TFO_KEYS */
	uint64_t period;
	uint64_t period_end_us;
};

enum tfo_verdict {
	TFO_VALID,
	TFO_OLD,	/* by the key before: valid, but a new one is due */
	TFO_FORGED,
};

void tfo_keys_init(struct tfo_keys *k, const struct mr_sipkey *secret, uint64_t now_us);
/* The addresses, as SipHash's input: n words, the last with the length in its top octet. */
struct tfo_words {
	uint64_t w[3];
	unsigned int n;
};
/** The cookie of these addresses. Sets the keys to now. */
void tfo_cookie(struct tfo_keys *k, uint64_t now_us, const struct tfo_words *words,
		uint8_t cookie[TFO_COOKIE_LEN]);
/** Is this one that we gave to these addresses? Sets the keys to now. */
enum tfo_verdict tfo_check(struct tfo_keys *k, uint64_t now_us, const struct tfo_words *words,
			   const uint8_t *cookie, unsigned int len);

/*
 * RFC 7413 5.1, PendingFastOpenRequests: who has a cookie may send SYNs with data in the name of
 * its address. So only so many may be pending; beyond, the option is ignored. A RST, of the host
 * whose name is misused or of who misuses it, ends the connection but makes no room at once, or
 * RSTs would let any number of SYNs through to the application: it counts for one to two spans
 * more.
 */
#define TFO_RESET_MS 60000u

struct tfo_pending {
	uint32_t live;
	uint32_t reset[2];	/* of the span that runs, and of the one before */
	uint32_t span;
};

/** May one more be opened by data in its SYN? */
bool tfo_admits(struct tfo_pending *p, uint32_t most, uint32_t now_ms);
/** One was. */
static inline void tfo_opened(struct tfo_pending *p) { p->live++; }
/** It is pending no more: established or ended; `reset`: by a RST that came. */
void tfo_settled(struct tfo_pending *p, bool reset, uint32_t now_ms);

#endif /* MR_TFO_H */

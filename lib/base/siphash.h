/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash (Aumasson, Bernstein 2012), keyed and not linear: the caller of a table or an ISN can
 * choose inputs freely and still not steer the output. 1-3 for tables, ISNs, timestamp offsets; 2-4
 * for what has to resist forgery: cookies. The burst form hashes many
 * short keys at once in a loop that vectorises; its variants (scalar, AVX2, AVX-512, NEON) are
 * equal by test and one is chosen at start. HOT PATH: the inline functions and the bursts: no
 * allocation, lock, log or division; budget per two-word key 1.4 ns (AVX-512), 2.5 ns (AVX2), 5.4
 * ns (scalar) at 2.6 GHz TSC, measured by bench/micro/hash.
 */
#ifndef MR_SIPHASH_H
#define MR_SIPHASH_H

#include "attr.h"
#include "isa.h"

struct mr_sipkey {
	uint64_t k0, k1;
};

/** Reference form over any octets: compression rounds c, finalisation rounds d (1-3 or 2-4). */
uint64_t mr_siphash(const struct mr_sipkey *key, const void *data, size_t len, int c, int d);

#define MR_SIP_ROTL(x, b)	(((x) << (b)) | ((x) >> (64 - (b))))
#define MR_SIP_ROUND(v0, v1, v2, v3) \
	do { \
		v0 += v1; v1 = MR_SIP_ROTL(v1, 13) ^ v0; v0 = MR_SIP_ROTL(v0, 32); \
		v2 += v3; v3 = MR_SIP_ROTL(v3, 16) ^ v2; \
		v0 += v3; v3 = MR_SIP_ROTL(v3, 21) ^ v0; \
		v2 += v1; v1 = MR_SIP_ROTL(v1, 17) ^ v2; v2 = MR_SIP_ROTL(v2, 32); \
	} while (0)

/* SipHash-c-d of words, in line; c and d are constants where it is called. */
MR_INLINE uint64_t mr_sip_words_form(const struct mr_sipkey *key, const uint64_t *w,
				     unsigned int nwords, const int c, const int d)
{
	uint64_t v0 = key->k0 ^ 0x736f6d6570736575ull, v1 = key->k1 ^ 0x646f72616e646f6dull;
	uint64_t v2 = key->k0 ^ 0x6c7967656e657261ull, v3 = key->k1 ^ 0x7465646279746573ull;

	for (unsigned int i = 0; i < nwords; i++) {
		v3 ^= w[i];
		for (int r = 0; r < c; r++)
			MR_SIP_ROUND(v0, v1, v2, v3);
		v0 ^= w[i];
	}
	v2 ^= 0xff;
	for (int r = 0; r < d; r++)
		MR_SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/**
 * SipHash-1-3 of nwords 64-bit words, the last of which already carries the length octet in its top
 * 8 bits as SipHash's final block does (see flow_words() in lib/table).
 */
MR_INLINE uint64_t mr_sip13_words(const struct mr_sipkey *key, const uint64_t *w,
				  unsigned int nwords)
{
	return mr_sip_words_form(key, w, nwords, 1, 3);
}
/** The same by SipHash-2-4. */
MR_INLINE uint64_t mr_sip24_words(const struct mr_sipkey *key, const uint64_t *w,
				  unsigned int nwords)
{
	return mr_sip_words_form(key, w, nwords, 2, 4);
}

/* The keys of a burst: word[k][i] is word k of key i. */
struct mr_sip_words {
	const uint64_t *word[4];
	unsigned int nwords;	/* 1 .. 4 */
};
/**
 * SipHash of n keys into out[i]; the same value as mr_sip13_words (mr_sip24_words) over the words
 * of key i. Arrays are 64-byte aligned and have room for n rounded up to 8.
 */
typedef void (*mr_sip_burst_fn)(const struct mr_sipkey *key, const struct mr_sip_words *in,
				uint64_t *out, unsigned int n);
extern mr_sip_burst_fn mr_sip13_burst, mr_sip24_burst;
/** The variants for one instruction set; NULL when this build has none: for mr_isa_select(). */
mr_sip_burst_fn mr_sip13_burst_variant(enum mr_isa isa);
mr_sip_burst_fn mr_sip24_burst_variant(enum mr_isa isa);

#endif /* MR_SIPHASH_H */

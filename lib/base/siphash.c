/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash over octets (the reference form), and the burst forms of SipHash-1-3 and 2-4 in every
 * width. All widths are one text: MR_SIP_ROUND works on GCC's vector types as it does on integers,
 * so the variants differ in the register they are compiled for and cannot differ in what they
 * compute.
 */
#include <endian.h>
#include <string.h>

#include "check.h"
#include "isa.h"
#include "siphash.h"

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static void sip_rounds(struct sip_state *s, int n)
{
	while (n-- > 0)
		MR_SIP_ROUND(s->v0, s->v1, s->v2, s->v3);
}

static void sip_absorb(struct sip_state *s, uint64_t word, int rounds)
{
	s->v3 ^= word;
	sip_rounds(s, rounds);
	s->v0 ^= word;
}

uint64_t mr_siphash(const struct mr_sipkey *key, const void *data, size_t len, int c, int d)
{
	struct sip_state s = {key->k0 ^ 0x736f6d6570736575ull, key->k1 ^ 0x646f72616e646f6dull,
			      key->k0 ^ 0x6c7967656e657261ull, key->k1 ^ 0x7465646279746573ull};
	const uint8_t *p = data;
	uint64_t word;

	MR_ASSERT(c >= 1 && d >= 1);
	for (size_t left = len; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		sip_absorb(&s, le64toh(word), c);
	}
	word = 0;
	if (len % 8 > 0)
		memcpy(&word, p, len % 8);
	sip_absorb(&s, le64toh(word) | (uint64_t)len << 56, c);
	s.v2 ^= 0xff;
	sip_rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#define SIP_SCALAR(name, words) \
	static void name(const struct mr_sipkey *key, const struct mr_sip_words *in, \
			 uint64_t *out, unsigned int n) \
	{ \
		for (unsigned int i = 0; i < n; i++) { \
			uint64_t w[4]; \
\
			for (unsigned int k = 0; k < in->nwords; k++) \
				w[k] = in->word[k][i]; \
			out[i] = words(key, w, in->nwords); \
		} \
	}
SIP_SCALAR(sip13_burst_scalar, mr_sip13_words)
SIP_SCALAR(sip24_burst_scalar, mr_sip24_words)

#if defined(__x86_64__) || defined(__aarch64__)
/* One step of the two lanes a and b: two chains, since a single one waits for its own additions. */
#define SIP_BOTH_ROUND() \
	do { \
		MR_SIP_ROUND(a0, a1, a2, a3); \
		MR_SIP_ROUND(b0, b1, b2, b3); \
	} while (0)

/*
 * Two registers a turn. A last half turn reads and writes inside the room that the caller rounded
 * up to 8: the two registers hold at most 16 values, and when only one of them is needed b repeats
 * a.
 */
#define SIP_BURST(name, attribute, vec, c, d) \
	attribute static void name(const struct mr_sipkey *key, const struct mr_sip_words *in, \
				   uint64_t *out, unsigned int n) \
	{ \
		const unsigned int lanes = sizeof(vec) / sizeof(uint64_t); \
		const vec zero = {0}; \
		const vec i0 = zero + (key->k0 ^ UINT64_C(0x736f6d6570736575)); \
		const vec i1 = zero + (key->k1 ^ UINT64_C(0x646f72616e646f6d)); \
		const vec i2 = zero + (key->k0 ^ UINT64_C(0x6c7967656e657261)); \
		const vec i3 = zero + (key->k1 ^ UINT64_C(0x7465646279746573)); \
\
		for (unsigned int i = 0; i < n; i += 2 * lanes) { \
			unsigned int j = i + lanes < n ? i + lanes : i; \
			vec a0 = i0, a1 = i1, a2 = i2, a3 = i3; \
			vec b0 = i0, b1 = i1, b2 = i2, b3 = i3; \
\
			for (unsigned int k = 0; k < in->nwords; k++) { \
				vec aw = *(const vec *)(in->word[k] + i); \
				vec bw = *(const vec *)(in->word[k] + j); \
\
				a3 ^= aw; \
				b3 ^= bw; \
				for (int r = 0; r < (c); r++) \
					SIP_BOTH_ROUND(); \
				a0 ^= aw; \
				b0 ^= bw; \
			} \
			a2 ^= 0xff; \
			b2 ^= 0xff; \
			for (int r = 0; r < (d); r++) \
				SIP_BOTH_ROUND(); \
			*(vec *)(out + i) = a0 ^ a1 ^ a2 ^ a3; \
			*(vec *)(out + j) = b0 ^ b1 ^ b2 ^ b3; \
		} \
	}

typedef uint64_t vec128 __attribute__((vector_size(16), may_alias));
typedef uint64_t vec256 __attribute__((vector_size(32), may_alias));
typedef uint64_t vec512 __attribute__((vector_size(64), may_alias));
#endif

#if defined(__x86_64__)
#define AVX2	__attribute__((target("avx2")))
#define AVX512	__attribute__((target("avx512f")))
SIP_BURST(sip13_burst_avx2, AVX2, vec256, 1, 3)
SIP_BURST(sip13_burst_avx512, AVX512, vec512, 1, 3)
SIP_BURST(sip24_burst_avx2, AVX2, vec256, 2, 4)
SIP_BURST(sip24_burst_avx512, AVX512, vec512, 2, 4)
#define VARIANTS(name) \
	[MR_ISA_AVX2] = name##_avx2, [MR_ISA_AVX512] = name##_avx512, [MR_ISA_NEON] = NULL
#elif defined(__aarch64__)
SIP_BURST(sip13_burst_neon, , vec128, 1, 3)
SIP_BURST(sip24_burst_neon, , vec128, 2, 4)
#define VARIANTS(name) \
	[MR_ISA_AVX2] = NULL, [MR_ISA_AVX512] = NULL, [MR_ISA_NEON] = name##_neon
#else
#define VARIANTS(name) [MR_ISA_NEON] = NULL
#endif

mr_sip_burst_fn mr_sip13_burst = sip13_burst_scalar;
mr_sip_burst_fn mr_sip24_burst = sip24_burst_scalar;

mr_sip_burst_fn mr_sip13_burst_variant(enum mr_isa isa)
{
	static const mr_sip_burst_fn variants[] = {
		[MR_ISA_SCALAR] = sip13_burst_scalar,
		VARIANTS(sip13_burst),
	};

	MR_ASSERT((size_t)isa < MR_ARRAY_LEN(variants));
	return variants[isa];
}

mr_sip_burst_fn mr_sip24_burst_variant(enum mr_isa isa)
{
	static const mr_sip_burst_fn variants[] = {
		[MR_ISA_SCALAR] = sip24_burst_scalar,
		VARIANTS(sip24_burst),
	};

	MR_ASSERT((size_t)isa < MR_ARRAY_LEN(variants));
	return variants[isa];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comparing a tag with the ten tags of a bucket at once. Owns no state.
 *
 * The variant is chosen by the compiler's target, not at start: the match is four instructions, and
 * a call through a pointer per lookup would cost more than the best variant saves over the worst. A
 * native build takes AVX-512; the portable one takes SSE2, which every x86-64 has and which is one
 * instruction longer than AVX2. All variants live under names of their own, equal by test.
 *
 * HOT PATH: no allocation, no lock, no log, no division.
 */
#ifndef MR_TAGMATCH_H
#define MR_TAGMATCH_H

#include "attr.h"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define TABLE_SLOTS	10u
#define TABLE_SLOTS_MASK ((1u << TABLE_SLOTS) - 1u)

/** Bit i is set if tag[i] == tag, for i < 10. `tags` is 64-byte aligned with 32 readable octets. */
MR_INLINE uint32_t tagmatch_scalar(const uint16_t *tags, uint16_t tag)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < TABLE_SLOTS; i++)
		bits |= (uint32_t)(tags[i] == tag) << i;
	return bits;
}

#if defined(__SSE2__)
MR_INLINE uint32_t tagmatch_sse2(const uint16_t *tags, uint16_t tag)
{
	__m128i want = _mm_set1_epi16((int16_t)tag);
	__m128i lo = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)tags), want);
	__m128i hi =
		_mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)(tags + 8)), want);

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(lo, hi)) & TABLE_SLOTS_MASK;
}

__attribute__((target("avx2")))
static inline uint32_t tagmatch_avx2(const uint16_t *tags, uint16_t tag)
{
	__m256i eq = _mm256_cmpeq_epi16(_mm256_load_si256((const __m256i *)(const void *)tags),
					_mm256_set1_epi16((int16_t)tag));
	__m128i both = _mm_packs_epi16(_mm256_castsi256_si128(eq), _mm256_extracti128_si256(eq, 1));

	return (uint32_t)_mm_movemask_epi8(both) & TABLE_SLOTS_MASK;
}

__attribute__((target("avx512bw,avx512vl")))
static inline uint32_t tagmatch_avx512(const uint16_t *tags, uint16_t tag)
{
	__m256i all = _mm256_load_si256((const __m256i *)(const void *)tags);

	return _mm256_mask_cmpeq_epi16_mask(TABLE_SLOTS_MASK, all, _mm256_set1_epi16((int16_t)tag));
}
#endif

#if defined(__ARM_NEON)
MR_INLINE uint32_t tagmatch_neon(const uint16_t *tags, uint16_t tag)
{
	static const uint16_t weight[8] = { 1, 2, 4, 8, 16, 32, 64, 128 };
	uint16x8_t want = vdupq_n_u16(tag), bit = vld1q_u16(weight);
	uint16x8_t lo = vandq_u16(vceqq_u16(vld1q_u16(tags), want), bit);
	uint16x8_t hi = vandq_u16(vceqq_u16(vld1q_u16(tags + 8), want), bit);

	return ((uint32_t)vaddvq_u16(lo) | (uint32_t)vaddvq_u16(hi) << 8) & TABLE_SLOTS_MASK;
}
#endif

/** The variant that lookups are compiled with. */
MR_INLINE uint32_t tagmatch(const uint16_t *tags, uint16_t tag)
{
#if defined(__AVX512BW__) && defined(__AVX512VL__)
	return tagmatch_avx512(tags, tag);
#elif defined(__AVX2__)
	return tagmatch_avx2(tags, tag);
#elif defined(__SSE2__)
	return tagmatch_sse2(tags, tag);
#elif defined(__ARM_NEON)
	return tagmatch_neon(tags, tag);
#else
	return tagmatch_scalar(tags, tag);
#endif
}

/** Its name, for what is said at start. */
MR_INLINE const char *tagmatch_name(void)
{
#if defined(__AVX512BW__) && defined(__AVX512VL__)
	return "avx512";
#elif defined(__AVX2__)
	return "avx2";
#elif defined(__SSE2__)
	return "sse2";
#elif defined(__ARM_NEON)
	return "neon";
#else
	return "scalar";
#endif
}

#endif /* MR_TAGMATCH_H */

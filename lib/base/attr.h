/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiler attributes under names that say what they are for. Owns no state.
 */
#ifndef MR_ATTR_H
#define MR_ATTR_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_LIKELY(x)	__builtin_expect(!!(x), 1)
#define MR_UNLIKELY(x)	__builtin_expect(!!(x), 0)

/* Must be inlined: the function is a stage of a loop whose specialisation depends on it. With
 * checks the compiler chooses: sanitizers would instrument each of many expansions, and pipeline.c
 * alone would take two minutes. */
#ifdef MR_DEBUG_CHECKS
#define MR_INLINE	static inline
#else
#define MR_INLINE	static inline __attribute__((always_inline))
#endif
/* A slow path: kept out of line so that the code of the fast path stays dense. */
#define MR_COLD		__attribute__((noinline, cold))
#define MR_NOINLINE	__attribute__((noinline))
#define MR_PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define MR_UNUSED	__attribute__((unused))
#define MR_PACKED	__attribute__((packed))

#define MR_CACHE_LINE	64u
#define MR_CACHE_ALIGNED __attribute__((aligned(64)))

#define MR_PREFETCH_WRITE(p)	__builtin_prefetch((p), 1, 3)

#define MR_ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define MR_MIN(a, b)	((a) < (b) ? (a) : (b))
#define MR_MAX(a, b)	((a) > (b) ? (a) : (b))

#endif /* MR_ATTR_H */

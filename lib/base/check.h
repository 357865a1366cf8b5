/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Three levels of assertion.
 *
 *  MR_ASSERT  always compiled in; for what would corrupt memory or lie on the wire. A branch that
 *             is never taken costs less than the wrong answer.
 *  MR_CHECK   only with debug checks or a sanitizer; invariants of one object on the packet path.
 *  MR_DEEP    only with debug checks or a sanitizer; whole structures (call a *_check() function).
 */
#ifndef MR_CHECK_H
#define MR_CHECK_H

#include "attr.h"

/** Prints the failed condition and its place on stderr and aborts. Any thread. */
MR_COLD _Noreturn void mr_assert_failed(const char *cond, const char *file, int line);

#define MR_ASSERT(c) \
	do { \
		if (MR_UNLIKELY(!(c))) \
			mr_assert_failed(#c, __FILE__, __LINE__); \
	} while (0)

#ifdef MR_DEBUG_CHECKS
#define MR_CHECK(c)	MR_ASSERT(c)
#define MR_DEEP(call)	do { call; } while (0)
#else
#define MR_CHECK(c)	do { (void)sizeof(c); } while (0)
#define MR_DEEP(call)	do { } while (0)
#endif

#endif /* MR_CHECK_H */

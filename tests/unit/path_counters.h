/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which counters may differ between an engine with the fast path and one without: those that say
 * which way it was, and those of the wheel, whose entries a record inherits from the connections
 * before it: which record a tuple gets depends on the order within a burst.
 */
#ifndef PATH_COUNTERS_H
#define PATH_COUNTERS_H

#include "counters.h"

static inline bool path_counter(unsigned int c)
{
	return c == MR_C_RX_FAST || c == MR_C_RX_SLOW || c == MR_C_RX_TUPLE_REPEAT ||
	       c == MR_C_WHEEL_FIRED || c == MR_C_WHEEL_STALE;
}

#endif /* PATH_COUNTERS_H */

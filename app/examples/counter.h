/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handler of counter.c, for whoever makes a listener of it. Owns nothing.
 */
#ifndef MR_EXAMPLE_COUNTER_H
#define MR_EXAMPLE_COUNTER_H

#include "millrace.h"

extern const struct mr_callbacks counter_callbacks;

#endif /* MR_EXAMPLE_COUNTER_H */

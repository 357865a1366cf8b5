/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MR_EXAMPLE_COUNTER_H
#define MR_EXAMPLE_COUNTER_H

#include "millrace.h"

/* The handler of counter.c, for a listener. */
extern const struct mr_callbacks counter_callbacks;

#endif /* MR_EXAMPLE_COUNTER_H */

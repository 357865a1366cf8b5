/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which SIMD variants this CPU runs, and the one switch that selects them, called once at start.
 */
#ifndef MR_ISA_H
#define MR_ISA_H

#include "attr.h"

enum mr_isa { MR_ISA_SCALAR, MR_ISA_AVX2, MR_ISA_AVX512, MR_ISA_NEON };

/** The best variant that this CPU (and OS) supports. Any thread. */
enum mr_isa mr_isa_best(void);
/** "scalar", "avx2", "avx512", "neon". */
const char *mr_isa_name(enum mr_isa isa);
/** Can this CPU run the variant? */
bool mr_isa_supported(enum mr_isa isa);
/** Sets every function pointer of lib/base; before workers start. False if unsupported. */
bool mr_isa_select(enum mr_isa isa);

#endif /* MR_ISA_H */

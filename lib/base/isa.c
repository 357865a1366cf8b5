/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the CPU can do, and the one place that turns it into function pointers. Never called while a
 * worker runs.
 */
#include "check.h"
#include "isa.h"
#include "siphash.h"

static const char *const isa_names[] = {
	[MR_ISA_SCALAR] = "scalar",
	[MR_ISA_AVX2] = "avx2",
	[MR_ISA_AVX512] = "avx512",
	[MR_ISA_NEON] = "neon",
};

const char *mr_isa_name(enum mr_isa isa)
{
	MR_ASSERT((size_t)isa < MR_ARRAY_LEN(isa_names));
	return isa_names[isa];
}

bool mr_isa_supported(enum mr_isa isa)
{
	switch (isa) {
	case MR_ISA_SCALAR:
		return true;
#if defined(__x86_64__)
	/* The builtin asks XGETBV too: whether the kernel saves the wide registers. */
	case MR_ISA_AVX2:
		return __builtin_cpu_supports("avx2") != 0;
	case MR_ISA_AVX512:
		/* F for the arithmetic, BW and VL for the tag match of lib/table. */
		return __builtin_cpu_supports("avx512f") != 0 &&
		       __builtin_cpu_supports("avx512bw") != 0 &&
		       __builtin_cpu_supports("avx512vl") != 0;
	case MR_ISA_NEON:
		return false;
#elif defined(__aarch64__)
	case MR_ISA_NEON: /* part of the base architecture */
		return true;
	case MR_ISA_AVX2:
	case MR_ISA_AVX512:
		return false;
#endif
	default:
		return false;
	}
}

enum mr_isa mr_isa_best(void)
{
	static const enum mr_isa best_first[] = {MR_ISA_AVX512, MR_ISA_AVX2, MR_ISA_NEON};

	for (size_t i = 0; i < MR_ARRAY_LEN(best_first); i++) {
		if (mr_isa_supported(best_first[i]))
			return best_first[i];
	}
	return MR_ISA_SCALAR;
}

bool mr_isa_select(enum mr_isa isa)
{
	if (!mr_isa_supported(isa))
		return false;
	mr_sip13_burst = mr_sip13_burst_variant(isa);
	mr_sip24_burst = mr_sip24_burst_variant(isa);
	MR_ASSERT(mr_sip13_burst != NULL && mr_sip24_burst != NULL);
	return true;
}

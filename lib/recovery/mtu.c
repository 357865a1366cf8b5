/* SPDX-License-Identifier: BSD-3-Clause */
/* The sizes that are tried: see mtu.h. */
#include "mtu.h"

uint16_t path_step_down(uint8_t family, uint16_t mtu)
{
	static const uint16_t steps[] = {4352, 1500, 1400, 1280, 576};
	const uint16_t least = family == 6 ? 1280 : 576;

	for (unsigned int i = 0; i < MR_ARRAY_LEN(steps); i++)
		if (steps[i] < mtu && steps[i] >= least)
			return steps[i];
	return 0;
}

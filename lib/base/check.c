/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a broken invariant ends. It prints and aborts; it never tries to go on, since what it would
 * go on with is not known any more.
 */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

MR_COLD _Noreturn void mr_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "millrace: invariant broken: %s (%s:%d)\n", cond, file, line);
	fflush(stderr);
	abort();
}

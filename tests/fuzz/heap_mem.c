/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In place of lib/base/bigmem.c: tables from the heap. An input makes two engines anew, and to ask
 * the kernel which pages each table got takes longer than all the rest; and an access beyond the
 * end of a table is seen.
 */
#include <stdlib.h>
#include <string.h>

#include "bigmem.h"
#include "check.h"

#define KEPT_MAX 64u

/* Given back, for the next one of that length: fresh pages from the kernel are slow. */
static struct mr_bigmem kept[KEPT_MAX];

static void *take(size_t len)
{
	for (unsigned int i = 0; i < KEPT_MAX; i++) {
		void *addr = kept[i].addr;

		if (addr == NULL || kept[i].len != len)
			continue;
		kept[i].addr = NULL;
		return addr;
	}
	return aligned_alloc(64, (len + 63) & ~(size_t)63);
}

int mr_bigmem_map(struct mr_bigmem *m, size_t len, int node)
{
	(void)node;
	*m = (struct mr_bigmem){.addr = take(len), .len = len, .kind = MR_PAGE_4K, .node = -1};
	MR_ASSERT(m->addr != NULL);
	memset(m->addr, 0, len);
	return 0;
}

void mr_bigmem_unmap(struct mr_bigmem *m)
{
	unsigned int i = 0;

	while (i < KEPT_MAX && m->addr != NULL && kept[i].addr != NULL)
		i++;
	if (i < KEPT_MAX)
		kept[i] = *m;
	else
		free(m->addr);
	*m = (struct mr_bigmem){.addr = NULL};
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every counter and drop reason of the engine comes from counters.def: enum, name, severity and
 * help in one place. A worker counts with a plain increment into its own array; the control thread
 * reads copies. Counters are 64 bits and never reset.
 */
#ifndef MR_COUNTERS_H
#define MR_COUNTERS_H

#include "attr.h"

/* INFO: ordinary life. DROP: a frame or segment was discarded. ERROR: an operator should look. */
enum mr_severity { MR_SEV_INFO, MR_SEV_DROP, MR_SEV_ERROR };

enum mr_counter {
#define C(id, name, sev, help) MR_C_##id,
#include "counters.def"
#undef C
	MR_C_COUNT
};

struct mr_counter_info {
	const char *name;	/* as printed and in JSON: group.noun_verb */
	enum mr_severity severity;
	const char *help;
};
extern const struct mr_counter_info mr_counter_info[MR_C_COUNT];

struct mr_counters {
	uint64_t v[MR_C_COUNT];
} MR_CACHE_ALIGNED;

MR_INLINE void mr_count(struct mr_counters *c, enum mr_counter id) { c->v[id]++; }
MR_INLINE void mr_count_n(struct mr_counters *c, enum mr_counter id, uint64_t n) { c->v[id] += n; }
void mr_counters_add(struct mr_counters *into, const struct mr_counters *from);

#endif /* MR_COUNTERS_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* What impair tells: a line now and then, a report at the end, the same as JSON. Control thread. */
#ifndef IMP_REPORT_H
#define IMP_REPORT_H

#include <stdio.h>

#include "joint.h"

/** What will be done to frames, in words. */
void imp_say_plan(FILE *f, const struct imp_options *o);
/** One line: what came and went since the last one, whose counts are in `last`. */
void imp_say_line(FILE *f, const struct imp_joint *j, struct imp_counts last[2], double span_s);
/** After imp_joint_close(). */
void imp_say_report(FILE *f, const struct imp_joint *j);
/** The report as JSON. 0, or -1 with errno. */
int imp_write_json(const struct imp_joint *j, const char *path);

#endif /* IMP_REPORT_H */

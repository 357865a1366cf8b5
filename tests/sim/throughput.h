/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goodput of one connection over paths that differ in loss and delay, for each algorithm of
 * congestion control: a table, the same in every run, since time is virtual.
 */
#ifndef SIM_THROUGHPUT_H
#define SIM_THROUGHPUT_H

/** Prints the table. */
void sim_throughput(void);

#endif /* SIM_THROUGHPUT_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The course of a run: warm-up, measured seconds, closing, report. The control thread sleeps
 * between the seconds and asks the workers for their figures by engine_call(), so that each
 * worker's are of one moment.
 */
#ifndef MB_RUN_H
#define MB_RUN_H

#include <signal.h>

#include "figures.h"
#include "rig.h"

/* Signals that asked us to end: one early but in order, two at once. More are not counted. */
#define MB_SIGNALS_MAX 2
extern volatile sig_atomic_t mb_interrupted;

/**
 * Runs the client's side to its end, and halts the rig. Returns the exit status: 0, or 1 when an
 * error happened.
 */
int mb_run(struct mb_rig *rig);
/** Runs the terminator alone until a signal, and halts it. Returns the exit status. */
int mb_serve(struct mb_rig *rig);

#endif /* MB_RUN_H */

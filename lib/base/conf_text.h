/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What conf.c and conf_text.c share: the meaning of one scalar, and near misses of names. Not for
 * users of the module, who include conf.h.
 */
#ifndef MR_CONF_TEXT_H
#define MR_CONF_TEXT_H

#include "conf.h"

/* Room for the text "what was expected", and for the enumerations in it. */
#define CONF_EXPECTED_MAX	256u
/* Names longer than this get no suggestion. */
#define CONF_NAME_MAX		64u

/**
 * Sets the field from text. False: expected[CONF_EXPECTED_MAX] says what should have been there.
 */
bool conf_set_scalar(const struct conf_key *key, const char *text, void *field, char *expected);

/* The name nearest to what was typed, if any is near enough to be what was meant. */
struct conf_near {
	const char *typed, *best;
	size_t distance;
};
struct conf_near conf_near_none(const char *typed);
void conf_near_consider(struct conf_near *near, const char *candidate);
/** Appends to list[CONF_EXPECTED_MAX]; a word that has no room any more is left out. */
void conf_append_word(char *list, const char *separator, const char *word);

#endif /* MR_CONF_TEXT_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fuzzer's octets, read as numbers; behind their end all are 0. And what every target is.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "attr.h"
#include "check.h"

struct fuzz_in {
	const uint8_t *at, *end;
};

static inline bool in_more(const struct fuzz_in *in) { return in->at < in->end; }

static inline uint8_t in8(struct fuzz_in *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t in16(struct fuzz_in *in)
{
	const uint8_t high = in8(in);

	return (uint16_t)(high << 8 | in8(in));
}

static inline uint32_t in32(struct fuzz_in *in)
{
	const uint16_t high = in16(in);

	return (uint32_t)high << 16 | in16(in);
}

/* Up to *len octets; *len becomes how many there are. */
static inline const uint8_t *in_octets(struct fuzz_in *in, uint32_t *len)
{
	const uint8_t *at = in->at;

	*len = MR_MIN(*len, (uint32_t)(in->end - in->at));
	in->at += *len;
	return at;
}

/* What libFuzzer, or replay.c, calls. A target aborts when it finds something. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif /* FUZZ_INPUT_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of lib/control say to one another: a request, and an answer that may come in
 * pages. Private to lib/control. The control thread only.
 */
#ifndef MR_CONTROL_IMPL_H
#define MR_CONTROL_IMPL_H

#include "control.h"
#include "json.h"

#define REQUEST_MAX	256u
#define CALL_WAIT_MS	1000u

/* A listing under way: which worker, where in its tables, what is wanted. */
struct listing {
	struct stack_cursor cursor;
	unsigned int worker;
	unsigned int state_mask;	/* enum tcp_state; 0: all */
	bool has_peer;
	struct mr_endpoint peer;	/* port 0: any */
	uint64_t limit, rows;
	bool more;			/* there is a row beyond the limit */
};

/* One answer. `more`: the listing goes on when what is in `json` was sent. */
struct answer {
	struct json json;
	struct listing listing;
	bool more;
};

/** Answers a request line (without its line end) into a->json, which is initialised and empty. */
void answer_request(const struct control_config *cfg, const char *line, struct answer *a);
/** {"error": text} instead of whatever was written. */
void answer_error(struct answer *a, const char *text);

/** Parses the words behind "connections". NULL, or what is wrong. */
const char *listing_parse(struct listing *l, const char *words);
/** The opening of the document. */
void listing_begin(struct answer *a);
/** One page more into the (drained) buffer; a->more says whether another follows. */
void listing_page(const struct control_config *cfg, struct answer *a);

/** "10.0.0.1:80", "[fd00::1]:80". */
void endpoint_text(const struct mr_endpoint *e, char text[64]);

#endif /* MR_CONTROL_IMPL_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/* On top of cookie_fixture.h: clients and a handler that know Fast Open. */
#ifndef FASTOPEN_FIXTURE_H
#define FASTOPEN_FIXTURE_H

#include "cookie_fixture.h"

/* What the handler does in a callback, besides answering data by "answer". */
enum ff_deed { FF_ANSWER, FF_NOTHING, FF_ABORT, FF_CLOSE, FF_KEEP_AND_CLOSE, FF_CONNECT };
extern enum ff_deed ff_on_accept, ff_on_data;
extern struct mr_endpoint ff_connect_to;
extern unsigned int ff_accepted, ff_connected, ff_nclosed;
extern enum mr_reason ff_why;
extern const struct mr_callbacks ff_callbacks;

/** cf_begin(), for a server with Fast Open whose listener of cf_web has that handler. */
void ff_begin(void);
/** Closes all, checks that nothing is left, and destroys the worker. */
void ff_stop(struct mr_worker *w);
/** Forgets what the handler has heard and said. */
void ff_reset(unsigned int way);
/** Asks for a cookie by that SYN, whose option (and form) it then is. */
void ff_cookie(struct mr_worker *w, const struct rf_path *p, struct tcp_seg *syn);
/** The SYN with text. */
void ff_syn_with(struct mr_worker *w, const struct rf_path *p, const struct tcp_seg *syn,
		 const char *text);
/** A router about what r has sent at seq: host unreachable. */
struct icmp_error ff_error_about(struct mr_worker *w, struct conn_ref r, uint32_t seq);

#endif /* FASTOPEN_FIXTURE_H */

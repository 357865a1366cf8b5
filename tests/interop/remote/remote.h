/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control server beside the engine: other programs drive it by system calls over a Unix stream
 * socket, a request and a response at a time, in host byte order with Linux's numbers. So a
 * conformance tool tests the engine as a black box, as it runs in production.
 *
 * Two threads. The control thread (serve.c) reads requests and writes responses; a request is a
 * struct call, handed to the worker by mr_post() and back by a ring. All sockets live on the
 * worker: sock.c (the table, what the engine reports), op_conn.c, op_data.c, op_opt.c, op_engine.c.
 * An operation that cannot be answered yet is parked at its socket and tried again whenever the
 * engine reports something of it. No lock, and nobody waits for anybody.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <sys/socket.h>

#include "engine.h"
#include "mbufq.h"
#include "millrace.h"

/* The protocol: each is followed by len octets of payload. */
struct rpc_req {
	uint32_t op;
	int32_t fd, a, b, c;
	uint32_t len;
};
struct rpc_rep {
	int32_t ret, err;
	uint32_t len;
};

enum op {
	OP_RESET = 1, OP_SOCKET, OP_BIND, OP_LISTEN, OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND,
	OP_CLOSE, OP_SHUTDOWN, OP_GETSOCKOPT, OP_SETSOCKOPT, OP_FCNTL, OP_IOCTL, OP_POLL,
	OP_STATES, OP_SYSCTL, OP_GETSOCKNAME, OP_GETPEERNAME,
	OP_END
};

#define CALL_IN_MAX	(16u << 20)	/* octets of a request's payload */
#define CALL_OUT_MAX	(1u << 20)	/* and of a response's */
#define MSL_MAX_MS	240000u	/* of the knob msl_ms */
#define SOCKS_MAX	4096u
#define FD_FIRST	3		/* as a process would have it */

/* A request on its way. Owned by the worker from its post to its return, else by serve.c. */
struct call {
	struct call *next;		/* of those parked at the same socket */
	struct rpc_req req;
	uint8_t *in;			/* req.len octets */
	uint8_t *out;
	uint32_t out_room, out_len;
	int32_t ret, err;
	uint32_t done;			/* octets that a blocking SEND has got rid of */
	bool parked, expired, tried;
	struct sock *at;		/* where it is parked */

	int client;			/* serve.c's: whose it is; -1: nobody waits */
	unsigned int refs;		/* posts that the worker has not answered */
	uint64_t deadline_ms;		/* when serve.c lets it expire; 0: never */
};

enum sock_state { SOCK_NEW, SOCK_LISTENING, SOCK_CONNECTING, SOCK_OPEN, SOCK_DONE };

struct sock {
	bool used, closing;		/* closing: no descriptor names it any more */
	bool nonblock, reuse, v6only, bound;
	bool eof, shut_rd, shut_wr;	/* the peer's FIN; shutdown() */
	bool told;			/* a connect() has learned of its success */
	int domain;			/* AF_INET, AF_INET6 */
	enum sock_state state;
	struct mr_endpoint local, remote;	/* family 0: not known */
	mr_conn c;			/* valid in CONNECTING and OPEN */
	int error;			/* SO_ERROR */
	struct mbufq rx;		/* not read yet */
	uint16_t listener;		/* id of stack_listen() */
	uint32_t backlog, nwaiting;	/* accept queue */
	struct sock *accept_head, *accept_tail, *accept_next;
	struct sock *parent;		/* in whose accept queue it is */
	struct call *calls;		/* parked, oldest first */
	struct sock *linger_next;
	struct linger linger;
	uint32_t linger_until_ms;	/* while closing */
	struct mr_options opts;		/* as set here, or by the listener */
	uint32_t given;			/* octets that a connect() of MSG_FASTOPEN took along */
};

/* ---- serve.c ---- */
/** Starts the control thread on a socket at `path`. 0, or -1 with *why. */
int remote_start(struct engine *e, const char *path, const char **why);
void remote_stop(void);
/** The answer of a call that is not parked. On the worker. */
void call_return(struct call *k);

/* ---- sock.c: all on the worker ---- */
void socks_init(const struct tcp_params *defaults);
/** A free one, or NULL: EMFILE. */
struct sock *sock_new(int domain);
/** Of a descriptor, or NULL: EBADF. */
struct sock *sock_of_fd(int fd);
int sock_fd(const struct sock *s);
struct sock *sock_at(unsigned int i);
/** Forgets it: parked calls end with EBADF, the connection is no longer reported. */
void sock_free(struct mr_worker *w, struct sock *s);
/** Ends what it has: aborts its connection and those nobody accepted, and its listening. */
void sock_abort(struct mr_worker *w, struct sock *s);
void sock_unlisten(struct mr_worker *w, struct sock *s);
/** The accept queue has room again, or none. */
void sock_accept_room(struct mr_worker *w, struct sock *s);
/** Something has happened: parked calls are tried again. */
void sock_wake(struct mr_worker *w, struct sock *s);
/** Those whose close() waits for the peer: each turn of the loop. True: did something. */
bool socks_turn(struct mr_worker *w);
void sock_linger(struct sock *s);
extern const struct mr_callbacks sock_callbacks;
/** Parameters of the daemon's own, for RESET. */
extern struct tcp_params socks_defaults;

/* ---- operations: true when answered (ret, err, out), false to be parked ---- */
typedef bool (*op_fn)(struct mr_worker *w, struct call *k, struct sock *s);
/** Runs it, and parks or returns it. */
void call_run(struct mr_worker *w, struct call *k);
/** Takes a parked call out of its socket's list. */
void call_unpark(struct call *k);
op_fn op_function(uint32_t op);
/* The two ways to answer. */
static inline bool answer(struct call *k, int32_t ret)
{
	k->ret = ret;
	k->err = 0;
	return true;
}
static inline bool fail(struct call *k, int err)
{
	k->ret = -1;
	k->err = err;
	return true;
}
static inline bool answer_octets(struct call *k, const void *octets, uint32_t len)
{
	k->out_len = MR_MIN(len, k->out_room);
	memcpy(k->out, octets, k->out_len);
	return answer(k, 0);
}

bool op_reset(struct mr_worker *w, struct call *k, struct sock *s);
bool op_socket(struct mr_worker *w, struct call *k, struct sock *s);
bool op_bind(struct mr_worker *w, struct call *k, struct sock *s);
bool op_listen(struct mr_worker *w, struct call *k, struct sock *s);
bool op_accept(struct mr_worker *w, struct call *k, struct sock *s);
bool op_connect(struct mr_worker *w, struct call *k, struct sock *s);
bool op_recv(struct mr_worker *w, struct call *k, struct sock *s);
bool op_send(struct mr_worker *w, struct call *k, struct sock *s);
bool op_close(struct mr_worker *w, struct call *k, struct sock *s);
bool op_shutdown(struct mr_worker *w, struct call *k, struct sock *s);
bool op_getsockopt(struct mr_worker *w, struct call *k, struct sock *s);
bool op_setsockopt(struct mr_worker *w, struct call *k, struct sock *s);
bool op_fcntl(struct mr_worker *w, struct call *k, struct sock *s);
bool op_ioctl(struct mr_worker *w, struct call *k, struct sock *s);
bool op_poll(struct mr_worker *w, struct call *k, struct sock *s);
bool op_states(struct mr_worker *w, struct call *k, struct sock *s);
bool op_sysctl(struct mr_worker *w, struct call *k, struct sock *s);
bool op_getsockname(struct mr_worker *w, struct call *k, struct sock *s);
bool op_getpeername(struct mr_worker *w, struct call *k, struct sock *s);

/* ---- op_conn.c ---- */
/**
 * Begins connect() to a sockaddr, with data if that is not NULL (then taken, unless it fails); 0
 * (it is under way) or an errno.
 */
int sock_connect(struct mr_worker *w, struct sock *s, const void *sa, uint32_t len,
		 struct rte_mbuf *data);
/** Takes the pending error; 0: none. */
int sock_error(struct sock *s);

#endif /* REMOTE_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread: a Unix stream socket, a connection per calling thread. Reads requests, hands
 * them to the worker, writes responses. Owns the clients and the memory of all calls; touches no
 * socket and no connection of the engine.
 *
 * A call goes to the worker by mr_post() and comes back by a ring with one producer and one
 * consumer; an eventfd wakes this thread. What is posted behind it (it shall expire, its client is
 * gone) comes back as well, marked, so that a call is freed when nobody knows it any more.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_ring.h>

#include "monotonic.h"
#include "remote.h"

#define CLIENTS_MAX	256u
#define RETURNS_LEN	4096u		/* power of two, more than all clients can have */
#define SEEN		((uintptr_t)1)	/* in a pointer of the ring: a later post was seen */

struct client {
	int fd;				/* -1: free */
	struct call *call;		/* the one that is under way */
	struct rpc_req req;
	size_t have;			/* octets of head and payload read so far */
	uint8_t *in;
};

static struct client clients[CLIENTS_MAX];
static struct rte_ring *returns;
static int listen_fd = -1, wake_fd = -1, stop_fd = -1;
static unsigned int worker_id;
static char socket_path[108];
static pthread_t thread;
static bool running;

/* ---- on the worker ---- */

static void give_back(uintptr_t word)
{
	uint64_t one = 1;

	MR_ASSERT(rte_ring_sp_enqueue(returns, (void *)word) == 0);
	if (write(wake_fd, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it wakes anyway */
}

void call_return(struct call *k) { give_back((uintptr_t)k); }

static void post_run(struct mr_worker *w, void *arg) { call_run(w, arg); }

/* Its time is up, or its client is gone: one that is parked is tried a last time. */
static void post_end(struct mr_worker *w, void *arg)
{
	struct call *k = arg;

	if (k->parked) {
		struct sock *s = k->at;

		k->expired = true;
		call_unpark(k);
		if (k->client < 0 || !op_function(k->req.op)(w, k, s))
			fail(k, EINTR);
		call_return(k);
	}
	give_back((uintptr_t)k | SEEN);
}

/* ---- calls ---- */

static void post(struct call *k, void (*fn)(struct mr_worker *w, void *arg))
{
	k->refs++;
	while (!mr_post(worker_id, fn, k))	/* its ring is longer than all that can be posted */
		sched_yield();
}

static uint32_t room_of(const struct rpc_req *r)
{
	switch (r->op) {
	case OP_RECV:
		return r->a < 0 ? 0 : MR_MIN((uint32_t)r->a, CALL_OUT_MAX);
	case OP_GETSOCKOPT:
		return r->c < 0 ? 0 : MR_MIN((uint32_t)r->c, 4096u);
	case OP_STATES:
		return CALL_OUT_MAX;
	default:
		return 128;
	}
}

static uint64_t deadline_of(const struct rpc_req *r, uint64_t now_ms)
{
	if (r->op == OP_POLL && r->b > 0)
		return now_ms + (uint64_t)r->b;
	return 0;
}

static void call_free(struct call *k)
{
	free(k->in);
	free(k->out);
	free(k);
}

static void client_drop(struct client *c)
{
	close(c->fd);
	free(c->in);
	if (c->call != NULL) {
		c->call->client = -1;
		post(c->call, post_end);
	}
	*c = (struct client){.fd = -1};
}

static void call_begin(struct client *c)
{
	struct call *k = calloc(1, sizeof(*k));
	uint32_t room = room_of(&c->req);

	if (k != NULL)
		k->out = malloc(room + 1);
	if (k == NULL || k->out == NULL) {
		free(k);
		client_drop(c);
		return;
	}
	k->req = c->req;
	k->in = c->in;
	k->out_room = room;
	k->client = (int)(c - clients);
	k->deadline_ms = deadline_of(&k->req, mr_monotonic_ms());
	c->in = NULL;
	c->have = 0;
	c->call = k;
	post(k, post_run);
}

/* ---- clients ---- */

/* Blocks while the client does not read, as it is bound to after a request of its own. */
static bool write_all(int fd, const void *octets, size_t len)
{
	const uint8_t *at = octets;

	while (len != 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static void respond(struct call *k)
{
	struct client *c = &clients[k->client];
	const struct rpc_rep rep = {k->ret, k->err, k->ret < 0 ? 0 : k->out_len};
	bool ok = write_all(c->fd, &rep, sizeof(rep)) && write_all(c->fd, k->out, rep.len);

	c->call = NULL;
	if (!ok)
		client_drop(c);
}

/* The worker's answers. */
static void take_returns(void)
{
	uint64_t count;
	void *word;

	if (read(wake_fd, &count, sizeof(count)) < 0)
		return;
	while (rte_ring_sc_dequeue(returns, &word) == 0) {
		struct call *k = (struct call *)((uintptr_t)word & ~SEEN);

		if (((uintptr_t)word & SEEN) == 0) {
			k->deadline_ms = 0;
			if (k->client >= 0)
				respond(k);
			k->client = -1;
		}
		if (--k->refs == 0)
			call_free(k);
	}
}

/* How many octets of the request are still to come. */
static size_t wanting(const struct client *c, uint8_t **to)
{
	if (c->have < sizeof(c->req)) {
		*to = (uint8_t *)&c->req + c->have;
		return sizeof(c->req) - c->have;
	}
	*to = c->in + (c->have - sizeof(c->req));
	return sizeof(c->req) + c->req.len - c->have;
}

static void client_input(struct client *c)
{
	uint8_t *to;
	size_t want = wanting(c, &to);
	ssize_t n = recv(c->fd, to, want, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A second request before the answer to the first is not of this protocol. */
	if (n <= 0 || c->call != NULL) {
		client_drop(c);
		return;
	}
	c->have += (size_t)n;
	if (c->have == sizeof(c->req) && c->in == NULL) {
		c->in = c->req.len <= CALL_IN_MAX ? calloc(1, c->req.len + 8ul) : NULL;
		if (c->in == NULL) {
			client_drop(c);
			return;
		}
	}
	if (c->have >= sizeof(c->req) && wanting(c, &to) == 0)
		call_begin(c);
}

static void client_new(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	for (unsigned int i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i] = (struct client){.fd = fd};
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* ---- the loop ---- */

/* Lets calls expire whose time is up; milliseconds until the next one, or -1. */
static int expire(void)
{
	uint64_t now_ms = mr_monotonic_ms(), next_ms = UINT64_MAX;

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct call *k = clients[i].call;

		if (clients[i].fd < 0 || k == NULL || k->deadline_ms == 0)
			continue;
		if (k->deadline_ms > now_ms) {
			next_ms = MR_MIN(next_ms, k->deadline_ms);
			continue;
		}
		k->deadline_ms = 0;
		post(k, post_end);
	}
	return next_ms == UINT64_MAX ? -1 : (int)MR_MIN(next_ms - now_ms, 1000000ull);
}

static void *serve(void *unused)
{
	struct pollfd fds[CLIENTS_MAX + 3];

	(void)unused;
	for (;;) {
		fds[0] = (struct pollfd){.fd = listen_fd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
		fds[2] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
		for (unsigned int i = 0; i < CLIENTS_MAX; i++)
			fds[i + 3] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
		if (poll(fds, MR_ARRAY_LEN(fds), expire()) < 0)
			continue;		/* a signal */
		if (fds[2].revents != 0)
			return NULL;
		if (fds[1].revents != 0)
			take_returns();
		for (unsigned int i = 0; i < CLIENTS_MAX; i++)
			if (fds[i + 3].revents != 0 && clients[i].fd == fds[i + 3].fd)
				client_input(&clients[i]);
		if (fds[0].revents != 0)
			client_new();
	}
}

/* ---- start and end ---- */

static int open_socket(const char *path, const char **why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char dir[sizeof(sun.sun_path)];
	char *slash;

	*why = "the path of the remote socket is too long";
	if (strlen(path) >= sizeof(sun.sun_path))
		return -1;
	memcpy(sun.sun_path, path, strlen(path));
	memcpy(dir, sun.sun_path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash != NULL && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0755);
	}
	memcpy(socket_path, sun.sun_path, sizeof(socket_path));
	unlink(path);
	*why = "the remote socket cannot be made";
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(listen_fd, 64) != 0)
		return -1;
	return 0;
}

int remote_start(struct engine *e, const char *path, const char **why)
{
	worker_id = mr_worker_id(engine_worker(e, 0));
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	if (open_socket(path, why) != 0)
		return -1;
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	returns = rte_ring_create("remote", RETURNS_LEN, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
	*why = "the control thread cannot be started";
	if (wake_fd < 0 || stop_fd < 0 || returns == NULL ||
	    pthread_create(&thread, NULL, serve, NULL) != 0)
		return -1;
	running = true;
	return 0;
}

void remote_stop(void)
{
	uint64_t one = 1;

	if (!running)
		return;
	if (write(stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(thread, NULL);
	unlink(socket_path);
	running = false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a thread that polls the listening socket and its few clients. Every
 * descriptor is non-blocking, so that a client that does not read holds up nobody but itself; one
 * that makes no progress for a while is dropped. What is answered is in answer.c and listing.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_impl.h"
#include "monotonic.h"

#define CLIENTS_MAX		16u
#define CLIENT_PATIENCE_MS	30000u

enum client_state { CLIENT_FREE, CLIENT_READING, CLIENT_WRITING };

struct client {
	enum client_state state;
	int fd;
	uint64_t progress_ms;
	char request[REQUEST_MAX];
	size_t request_len;
	struct answer answer;
	size_t sent;		/* of answer.json */
};

struct control {
	struct control_config cfg;
	struct sockaddr_un addr;
	pthread_t thread;
	int listen_fd;
	int stop_fd;		/* readable: the thread ends */
	bool bound;		/* the file is ours: it goes with us */
	struct client client[CLIENTS_MAX];
};

/* ---- Clients --------------------------------------------------------------------------------- */

static void client_drop(struct client *cl)
{
	close(cl->fd);
	json_free(&cl->answer.json);
	memset(cl, 0, sizeof(*cl));
}

static void client_accept(struct control *ctl)
{
	int fd = accept4(ctl->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *cl = &ctl->client[i];

		if (cl->state != CLIENT_FREE)
			continue;
		cl->state = CLIENT_READING;
		cl->fd = fd;
		cl->progress_ms = mr_monotonic_ms();
		return;
	}
	close(fd);
}

/* Sends what is there; asks for the next page when all is gone. */
static void client_write(struct control *ctl, struct client *cl)
{
	struct json *j = &cl->answer.json;

	if (cl->sent == j->len && cl->answer.more) {
		json_drain(j);
		cl->sent = 0;
		listing_page(&ctl->cfg, &cl->answer);
	}
	if (cl->sent < j->len) {
		ssize_t n = send(cl->fd, j->buf + cl->sent, j->len - cl->sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			client_drop(cl);
			return;
		}
		if (n > 0) {
			cl->sent += (size_t)n;
			cl->progress_ms = mr_monotonic_ms();
		}
	}
	if (j->failed || (cl->sent == j->len && !cl->answer.more))
		client_drop(cl);
}

static void client_answer(struct control *ctl, struct client *cl)
{
	cl->request[cl->request_len] = '\0';
	cl->state = CLIENT_WRITING;
	json_init(&cl->answer.json);
	answer_request(&ctl->cfg, cl->request, &cl->answer);
}

/* Collects one line. Its end may be the end of what the client sends. */
static void client_read(struct control *ctl, struct client *cl)
{
	size_t room = sizeof(cl->request) - 1 - cl->request_len;
	ssize_t n = recv(cl->fd, cl->request + cl->request_len, room, 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && cl->request_len == 0)) {
		client_drop(cl);
		return;
	}
	end = memchr(cl->request + cl->request_len, '\n', (size_t)n);
	cl->request_len += (size_t)n;
	cl->progress_ms = mr_monotonic_ms();
	if (end != NULL)
		cl->request_len = (size_t)(end - cl->request);
	if (end != NULL || n == 0)
		client_answer(ctl, cl);
	else if (cl->request_len == sizeof(cl->request) - 1)
		client_drop(cl);
}

static void client_event(struct control *ctl, struct client *cl, short events)
{
	if (cl->state == CLIENT_READING && (events & (POLLIN | POLLHUP)) != 0)
		client_read(ctl, cl);
	else if (cl->state == CLIENT_WRITING && (events & POLLOUT) != 0)
		client_write(ctl, cl);
	else if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		client_drop(cl);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void drop_the_stuck(struct control *ctl)
{
	uint64_t now = mr_monotonic_ms();

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *cl = &ctl->client[i];

		if (cl->state != CLIENT_FREE && now - cl->progress_ms > CLIENT_PATIENCE_MS)
			client_drop(cl);
	}
}

static void *control_thread(void *arg)
{
	struct control *ctl = arg;
	struct pollfd fds[2 + CLIENTS_MAX];

	for (;;) {
		fds[0] = (struct pollfd){.fd = ctl->stop_fd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = ctl->listen_fd, .events = POLLIN};
		for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
			const struct client *cl = &ctl->client[i];

			fds[2 + i] = (struct pollfd){
				.fd = cl->state != CLIENT_FREE ? cl->fd : -1,
				.events = cl->state == CLIENT_WRITING ? POLLOUT : POLLIN,
			};
		}
		if (poll(fds, 2 + CLIENTS_MAX, 1000) < 0 && errno != EINTR)
			return NULL;
		if (fds[0].revents != 0)
			return NULL;
		for (unsigned int i = 0; i < CLIENTS_MAX; i++)
			client_event(ctl, &ctl->client[i], fds[2 + i].revents);
		if (fds[1].revents != 0)
			client_accept(ctl);
		drop_the_stuck(ctl);
	}
}

/* ---- Start and end --------------------------------------------------------------------------- */

static MR_PRINTF(2, 3) const char *fail(const char *path, const char *problem, ...)
{
	static char text[256];
	va_list ap;
	int n = snprintf(text, sizeof(text), "the control socket %.120s cannot be opened: ", path);

	va_start(ap, problem);
	vsnprintf(text + n, sizeof(text) - (size_t)n, problem, ap);
	va_end(ap);
	return text;
}

/* The last directory of the path; those above it must be there. */
static const char *make_directory(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return NULL;
	*slash = '\0';
	if (mkdir(dir, 0755) == 0 || errno == EEXIST)
		return NULL;
	return fail(path, "its directory cannot be made: %s", strerror(errno));
}

/* 0: a daemon answers there. Else why not: ECONNREFUSED also where a file is no socket. */
static int try_connect(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error == EAGAIN ? 0 : error; /* EAGAIN: more ask it than it has accepted yet */
}

/* Removes what a daemon that died has left, and nothing else. */
static const char *make_way(const struct sockaddr_un *addr)
{
	int error = try_connect(addr);
	struct stat st;

	if (error == 0)
		return fail(addr->sun_path, "another daemon answers there");
	if (lstat(addr->sun_path, &st) != 0)
		return NULL; /* nothing stands there, or bind() says what is wrong */
	if (!S_ISSOCK(st.st_mode))
		return fail(addr->sun_path, "a file that is no socket has this name");
	if (error != ECONNREFUSED)
		return fail(addr->sun_path, "the one that is there cannot be asked: %s",
			    strerror(error));
	if (unlink(addr->sun_path) == 0)
		return NULL;
	return fail(addr->sun_path, "the one of a daemon that died cannot be removed: %s",
		    strerror(errno));
}

static const char *open_socket(struct control *ctl, const char *path)
{
	struct sockaddr_un *addr = &ctl->addr;
	const char *why;

	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return fail(path, "its path has more than %zu octets", sizeof(addr->sun_path) - 1);
	memcpy(addr->sun_path, path, strlen(path) + 1);
	why = make_directory(path);
	if (why == NULL)
		why = make_way(addr);
	if (why != NULL)
		return why;
	ctl->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ctl->listen_fd < 0)
		return fail(path, "%s", strerror(errno));
	ctl->bound = bind(ctl->listen_fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
	if (!ctl->bound || chmod(path, 0660) != 0 || listen(ctl->listen_fd, 16) != 0)
		return fail(path, "%s", strerror(errno));
	return NULL;
}

static void control_free(struct control *ctl)
{
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		if (ctl->client[i].state != CLIENT_FREE)
			client_drop(&ctl->client[i]);
	}
	if (ctl->bound)
		unlink(ctl->addr.sun_path);
	if (ctl->listen_fd >= 0)
		close(ctl->listen_fd);
	if (ctl->stop_fd >= 0)
		close(ctl->stop_fd);
	free(ctl);
}

struct control *control_start(const struct control_config *cfg, const char **why)
{
	struct control *ctl = calloc(1, sizeof(*ctl));

	*why = "no memory for the control socket";
	if (ctl == NULL)
		return NULL;
	ctl->cfg = *cfg;
	ctl->listen_fd = -1;
	ctl->stop_fd = eventfd(0, EFD_CLOEXEC);
	*why = open_socket(ctl, cfg->socket_path);
	if (*why == NULL && (ctl->stop_fd < 0 ||
			     pthread_create(&ctl->thread, NULL, control_thread, ctl) != 0))
		*why = "the control thread cannot be started";
	if (*why == NULL)
		return ctl;
	control_free(ctl);
	return NULL;
}

void control_stop(struct control *ctl)
{
	uint64_t one = 1;

	if (ctl == NULL)
		return;
	if (write(ctl->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(ctl->thread, NULL);
	control_free(ctl);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What net_memif leaves behind when it is closed, with a client that is a bare socket: a callback
 * that is under way, a listening socket that nobody listens to any more, clients that were accepted
 * and have not said whom they want.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine_impl.h"
#include "port_double.h"

#define MESSAGE 128
#define WAIT_US 50000
enum { ACK = 1, HELLO = 2, INIT = 3 };	/* types of memif 2.0 messages */

static char path[64];
static struct engine *engine;

static void begin(void)
{
	static struct eal_options opt;
	static struct stack_config stack;
	static struct engine_config cfg = {.name = "t", .nports = 1, .nworkers = 1};
	const char *why = "";

	double_eal(&opt, 1);
	snprintf(path, sizeof(path), "/mr_gate_%d", (int)getpid());
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_memif0,role=server,socket-abstract=yes,"
		 "socket=%s", path);
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "net_memif0");
	cfg.lcores[0] = opt.lcores[0];
	cfg.stack = &stack;
	opt.memory_mb = engine_eal_memory(&cfg) >> 20;
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	engine = engine_create(&cfg, &why);
	cr_assert_not_null(engine, "%s", why);
	cr_assert_gt(gate_callbacks(), 0, "the driver does not see our functions");
	cr_assert_eq(engine_start(engine), 0);
}

/* The workers have stopped; the port is closed. */
static void close_port(void)
{
	engine_request_stop(engine);
	engine_wait(engine);
	engine_destroy(engine);
}

/* A descriptor, or -1. The driver counts the name's ending zero in. */
static int connect_to_it(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = sizeof(to) - sizeof(to.sun_path) + 1 + strlen(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	memcpy(to.sun_path + 1, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&to, (socklen_t)len) == 0)
		return fd;
	close(fd);
	return -1;
}

static void expect(int fd, unsigned int type)
{
	uint8_t message[MESSAGE] = {0};

	cr_assert_eq(recv(fd, message, sizeof(message), 0), MESSAGE);
	cr_assert_eq(message[0], type);
}

static int greeted(void)
{
	int fd = connect_to_it();

	cr_assert_geq(fd, 0);
	expect(fd, HELLO);
	return fd;
}

/* A client of the port: its control channel belongs to the device. */
static int connected(void)
{
	uint8_t init[MESSAGE] = {[0] = INIT, [3] = 2};	/* version 2.0, id 0, Ethernet */
	int fd = greeted();

	cr_assert_eq(send(fd, init, sizeof(init), 0), MESSAGE);
	expect(fd, ACK);
	return fd;
}

Test(gate_memif, a_callback_that_waits_while_its_port_is_closed_does_not_run, .timeout = 60)
{
	int fd;

	begin();
	fd = connected();
	gate_lock();
	close(fd);
	usleep(WAIT_US); /* EAL's thread has it now, and waits for the lock */
	close_port();
	gate_unlock();
	usleep(WAIT_US);
	eal_stop();
}

Test(gate_memif, nobody_listens_when_the_port_is_closed, .timeout = 60)
{
	begin();
	close(connected());
	close_port();
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(connect_to_it(), -1, "its listening socket is still there");
		cr_assert_eq(errno, ECONNREFUSED);
	}
	eal_stop();
}

Test(gate_memif, who_was_only_greeted_is_sent_away_when_the_port_is_closed, .timeout = 60)
{
	uint8_t init[MESSAGE] = {[0] = INIT, [3] = 2};
	int fd, waiting;

	begin();
	fd = greeted();
	waiting = greeted();
	gate_lock();
	cr_assert_eq(send(waiting, init, sizeof(init), 0), MESSAGE);
	usleep(WAIT_US); /* its callback waits for the lock */
	close_port();
	gate_unlock();
	cr_assert_eq(recv(fd, init, sizeof(init), 0), 0, "the end of the connection");
	cr_assert_leq(recv(waiting, init, sizeof(init), 0), 0);
	cr_assert_eq(send(fd, init, sizeof(init), MSG_NOSIGNAL), -1);
	close(fd);
	close(waiting);
	eal_stop();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest program around a handler: one tap interface, one worker, one listener. Give the
 * kernel's end an address, then talk to it:
 *
 *   # ./counter &
 *   # ip address add 10.78.0.1/24 dev count0 && ip link set count0 up
 *   # echo hello | nc -N 10.78.0.2 7000
 */
#include <signal.h>
#include <stdio.h>

#include "engine.h"

#include "counter.h"

/* One address on one untagged port, one listener on all of its addresses. */
static void configure(struct engine_config *cfg, struct stack_config *stack,
		      const struct stack_listener *listener)
{
	stack_config_default(stack);
	stack->addr[0] = (struct stack_addr){.family = 4,
					     .prefix_len = 24,
					     .vlan = UINT16_MAX,
					     .vlan_outer = UINT16_MAX,
					     .addr = {10, 78, 0, 2},
					     .count = 1};
	stack->naddrs = 1;
	stack->listener = listener;
	stack->nlisteners = 1;
	cfg->stack = stack;
	snprintf(cfg->port[0].name, sizeof(cfg->port[0].name), "net_tap0");
}

/* Runs the engine until SIGINT or SIGTERM, which are blocked. */
static int run(const struct engine_config *cfg, const sigset_t *signals)
{
	const char *why = "the worker cannot be launched";
	struct engine *engine = engine_create(cfg, &why);
	bool started = engine != NULL && engine_start(engine) == 0;
	int sig;

	if (started) {
		sigwait(signals, &sig);
		engine_request_stop(engine);
		engine_wait(engine);
	} else {
		fprintf(stderr, "counter: %s\n", why);
	}
	engine_destroy(engine);
	return started ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct stack_listener listener = {
		.port_first = 7000,
		.port_last = 7000,
		.backlog = 1024,
		.callbacks = &counter_callbacks,
		.name = "counter",
	};
	struct engine_config cfg = {
		.name = "counter", .nports = 1, .nworkers = 1, .idle = ENGINE_IDLE_SLEEP};
	struct eal_options eal = {.program = argv[0], .nlcores = 1, .hugepages = true};
	struct stack_config stack;
	const char *why = "";
	sigset_t signals;
	int status = 1;

	(void)argc;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	configure(&cfg, &stack, &listener);
	snprintf(eal.vdev[0], sizeof(eal.vdev[0]), "net_tap0,iface=count0");
	eal.memory_mb = (engine_eal_memory(&cfg) >> 20) + 32;
	if (eal_start(&eal, &why) == 0) {
		status = run(&cfg, &signals);
		eal_stop();
	} else {
		fprintf(stderr, "counter: %s\n", why);
	}
	return status;
}

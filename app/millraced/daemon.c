/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start, run, drain, end. Each thing that is started is ended in reverse order by daemon_end(),
 * which copes with any prefix of it, so that a start that fails half-way leaves nothing behind.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control.h"
#include "engine.h"
#include "monotonic.h"

#include "daemon.h"
#include "kernel_side.h"
#include "plan.h"

#define SERVE_INTERFACE	"mill0"
#define STATS_MS	1000u

struct daemon {
	struct plan plan;
	struct engine *engine;
	struct control *control;
	const struct daemon_guest *guest;
	bool eal_up, started;
};

/* Written by the signal handler and the control thread, read by the main thread. */
static int stop_fd = -1;
static const char *stop_asker;	/* who asked first for the end; NULL: nobody */
static volatile bool hurry;

/* The first one to ask begins the drain, the next one ends it. Any thread; async-signal-safe. */
static void ask_to_stop(const char *who)
{
	const char *nobody = NULL;
	uint64_t one = 1;

	if (!__atomic_compare_exchange_n(&stop_asker, &nobody, who, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		hurry = true;
	if (write(stop_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it was asked often enough */
}

static void on_control_stop(void *arg)
{
	(void)arg;
	ask_to_stop("millctl stop");
}

static void on_signal(int sig)
{
	int saved = errno;

	ask_to_stop(sig == SIGTERM ? "SIGTERM" : sig == SIGINT ? "SIGINT" : "SIGHUP");
	errno = saved;
}

/*
 * SIGHUP is the end of the terminal: the configuration is not read again. Who started the daemon
 * with SIGHUP ignored (nohup) wants it to outlive the terminal. SIGPIPE is ignored, since
 * `--stats | head` must drain too; and SIGIO, which the kernel sends in the place of net_tap's
 * real-time signals when their queue is full.
 */
static int catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, inherited;

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigemptyset(&action.sa_mask);
	if (stop_fd < 0 || sigaction(SIGINT, &action, NULL) != 0 ||
	    sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0 ||
	    sigaction(SIGIO, &ignore, NULL) != 0 ||
	    sigaction(SIGHUP, NULL, &inherited) != 0)
		return -1;
	if (inherited.sa_handler == SIG_IGN)
		return 0;
	return sigaction(SIGHUP, &action, NULL);
}

/* ---- Start ----------------------------------------------------------------------------------- */

static int serve_kernel_side(const char **why)
{
	static const char *const addresses[] = {"10.77.0.1/24", "fd77::1/64"};
	static char text[160];

	for (size_t i = 0; i < MR_ARRAY_LEN(addresses); i++) {
		struct config_net net;

		MR_ASSERT(config_parse_net(&net, addresses[i]) == NULL);
		if (kernel_side_address(SERVE_INTERFACE, &net) == 0)
			continue;
		snprintf(text, sizeof(text), "%s cannot be given to %s: %s", addresses[i],
			 SERVE_INTERFACE, strerror(errno));
		if (net.family == 4) {
			*why = text;
			return -1;
		}
		printf("note: %s (IPv4 works all the same)\n", text);
	}
	if (kernel_side_up(SERVE_INTERFACE) == 0)
		return 0;
	snprintf(text, sizeof(text), "%s cannot be set up: %s", SERVE_INTERFACE, strerror(errno));
	*why = text;
	return -1;
}

static void say_what_runs(const struct daemon *d)
{
	const struct plan *plan = &d->plan;
	struct engine_port_info port;
	const char *note;

	for (uint16_t i = 0; engine_port_info(d->engine, i, &port); i++)
		printf("port %s: driver %s, %u queue%s, MTU %u, link %s; %s\n", port.name,
		       port.driver, port.rx_queues, port.rx_queues == 1 ? "" : "s", port.mtu,
		       port.link_up ? "up" : "down", port.steering);
	for (unsigned int i = 0; (note = engine_note(d->engine, i)) != NULL; i++)
		printf("note: %s\n", note);
	printf("listening:");
	for (uint32_t i = 0; i < plan->stack.nlisteners; i++)
		printf(" %s", plan->listener[i].name);
	printf("\n");
}

static int start_engine(struct daemon *d, const char **why)
{
	struct plan *plan = &d->plan;

	if (plan_check_memory(plan, stdout, why) != 0)
		return -1;
	fflush(stdout);
	if (eal_start(&plan->eal, why) != 0)
		return -1;
	d->eal_up = true;
	if (handlers_open(&plan->handlers, plan->engine.nworkers, plan->node, why) != 0)
		return -1;
	d->engine = engine_create(&plan->engine, why);
	if (d->engine == NULL)
		return -1;
	*why = "the workers cannot be launched";
	d->started = engine_start(d->engine) == 0;
	return d->started ? 0 : -1;
}

static int start_control(struct daemon *d, const char *path, const char **why)
{
	struct control_config cfg = {
		.engine = d->engine,
		.socket_path = path,
		.nlisteners = d->plan.stack.nlisteners,
		.on_stop = on_control_stop,
	};

	static char text[384];

	d->control = control_start(&cfg, why);
	if (d->control != NULL)
		return 0;
	snprintf(text, sizeof(text), "%s (the key socket, or --socket, says where it is)", *why);
	*why = text;
	return -1;
}

static int daemon_start(struct daemon *d, const struct config *cfg,
			const struct daemon_options *opt, const char **why)
{
	const char *socket_path = opt->socket != NULL ? opt->socket : cfg->socket;

	if (opt->serve && kernel_side_exists(SERVE_INTERFACE)) {
		*why = "the interface " SERVE_INTERFACE " exists already: another instance may run "
		       "here; end it, or remove the interface (ip link delete " SERVE_INTERFACE ")";
		return -1;
	}
	*why = "no signal handlers can be installed";
	if (catch_signals() != 0 || plan_make(&d->plan, cfg, opt->program, why) != 0)
		return -1;
	d->guest = opt->guest;
	if (d->guest != NULL)
		d->guest->plan(&d->plan.engine, &d->plan.stack);
	if (start_engine(d, why) != 0 || (opt->serve && serve_kernel_side(why) != 0) ||
	    (d->guest != NULL && d->guest->start(d->engine, why) != 0))
		return -1;
	return start_control(d, socket_path, why);
}

/* ---- Run and end ----------------------------------------------------------------------------- */

/*
 * Sleeps until somebody asks for the end; each second a line, if wanted. The second ends by the
 * clock: net_tap has a signal sent for every frame, and each ends a wait.
 */
static void run(struct daemon *d, bool stats)
{
	struct pollfd fd = {.fd = stop_fd, .events = POLLIN};
	uint64_t next_ms = mr_monotonic_ms() + STATS_MS;

	for (;;) {
		uint64_t now_ms = mr_monotonic_ms();

		if (stats && now_ms >= next_ms) {
			stats_line(d->engine, stdout);
			next_ms = MR_MAX(next_ms + STATS_MS, now_ms);
			continue;
		}
		if (poll(&fd, 1, stats ? (int)(next_ms - now_ms) : -1) > 0)
			return;
	}
}

static void drain(struct daemon *d, uint32_t limit_ms)
{
	struct drain_result r;

	printf("%s: draining: new connections are refused, open ones have %u ms to close; a second "
	       "signal or `millctl stop` aborts them\n", stop_asker, limit_ms);
	fflush(stdout);
	control_drain(d->engine, limit_ms, &hurry, &r);
	printf("drained in %u ms: %u open before, %u closed, %u aborted, %u left; "
	       "%u in TIME_WAIT, which ends with the process\n",
	       r.took_ms, r.open_before, r.open_before - MR_MIN(r.aborted, r.open_before),
	       r.aborted, r.left, r.time_wait);
	if (r.silent)
		printf("a worker does not answer: what it has is not counted\n");
}

static void daemon_end(struct daemon *d)
{
	control_stop(d->control);
	if (d->guest != NULL)
		d->guest->stop();
	if (d->started) {
		engine_request_stop(d->engine);
		engine_wait(d->engine);
	}
	engine_destroy(d->engine);
	plan_free(&d->plan);
	if (d->eal_up)
		eal_stop();
	if (stop_fd >= 0)
		close(stop_fd);
	fflush(stdout);
}

int daemon_run(const struct config *cfg, const struct daemon_options *opt)
{
	struct daemon *d = calloc(1, sizeof(*d));
	const char *why = "no memory";
	int status = EXIT_FAILURE;

	if (d != NULL && daemon_start(d, cfg, opt, &why) == 0) {
		say_what_runs(d);
		printf("ready\n");
		fflush(stdout);
		run(d, opt->stats);
		drain(d, (uint32_t)cfg->drain_ms);
		status = EXIT_SUCCESS;
	} else {
		fflush(stdout);
		fprintf(stderr, "millraced: %s\n", why);
	}
	if (d != NULL)
		daemon_end(d);
	free(d);
	return status;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starts and ends EAL with arguments computed from the options, so that nobody has to know EAL's
 * command line. Owns the map from CPUs to lcores. Never parses arguments of the user; never touches
 * ports. Read next: bringup.c.
 */
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "check.h"
#include "eal.h"
#include "engine_impl.h"

#define HUGEPAGE_MB 2u
#define INTERRUPTS_MS 1000u	/* patience with EAL's thread at the end */

static_assert(MR_WORKERS_MAX < RTE_MAX_LCORE, "lcore MR_WORKERS_MAX is the control thread's");

/* The one EAL of this process. */
static struct {
	struct eal_args args;
	uint32_t cpu[MR_WORKERS_MAX]; /* of lcore i */
	bool taken[MR_WORKERS_MAX];
	uint32_t nlcores;
	bool started, was_started, huge;
	char runtime_dir[256];
	bool clock_ready;
	struct mr_clock clock;
} eal;

const char *port_why(const char *fmt, ...)
{
	static _Thread_local char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

const struct mr_clock *eal_clock(void)
{
	if (!eal.clock_ready) {
		mr_clock_init(&eal.clock);
		eal.clock_ready = true;
	}
	return &eal.clock;
}

/* ---- hugepages ---- */

static uint64_t read_count(const char *path)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

uint64_t eal_free_hugepages_at(const char *root)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		 root);
	return read_count(path);
}

uint64_t eal_free_hugepages(void)
{
	return eal_free_hugepages_at("");
}

bool eal_uses_hugepages(void)
{
	return eal.huge;
}

/* ---- the argument list ---- */

static MR_PRINTF(2, 3) void add(struct eal_args *args, const char *fmt, ...)
{
	char *at = args->text + args->used;
	size_t room = sizeof(args->text) - args->used;
	va_list ap;
	int n;

	MR_ASSERT((size_t)args->argc + 1 < EAL_ARGS_MAX);
	va_start(ap, fmt);
	n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	MR_ASSERT(n >= 0 && (size_t)n < room);
	args->used += (size_t)n + 1;
	args->argv[args->argc++] = at;
	args->argv[args->argc] = NULL;
}

static bool has_cpu(const uint32_t *cpus, uint32_t count, uint32_t cpu)
{
	for (uint32_t i = 0; i < count; i++)
		if (cpus[i] == cpu)
			return true;
	return false;
}

/*
 * "0@3,1@5,2@(0,1,2)": workers first, the control thread last. It gets the CPUs that no worker has;
 * where there are none it shares all of them: it sleeps most of the time, and the scheduler finds
 * it a place, while a control thread bound to one poller's CPU would take it away from that poller
 * alone.
 */
static void add_lcores(struct eal_args *args, const struct eal_options *opt,
		       const struct eal_cpus *cpus)
{
	char map[8192];
	size_t n = 0;
	bool spare = false;
	const char *sep = "";

	for (uint32_t i = 0; i < opt->nlcores; i++)
		n += (size_t)snprintf(map + n, sizeof(map) - n, "%u@%u,", i, opt->lcores[i]);
	n += (size_t)snprintf(map + n, sizeof(map) - n, "%u@(", opt->nlcores);
	for (uint32_t i = 0; i < cpus->count; i++)
		spare |= !has_cpu(opt->lcores, opt->nlcores, cpus->cpu[i]);
	for (uint32_t i = 0; i < cpus->count && n + 16 < sizeof(map); i++) {
		if (spare && has_cpu(opt->lcores, opt->nlcores, cpus->cpu[i]))
			continue;
		n += (size_t)snprintf(map + n, sizeof(map) - n, "%s%u", sep, cpus->cpu[i]);
		sep = ",";
	}
	snprintf(map + n, sizeof(map) - n, ")");
	add(args, "--lcores=%s", map);
	add(args, "--main-lcore=%u", opt->nlcores);
}

static void add_memory(struct eal_args *args, const struct eal_options *opt, bool huge)
{
	/* EAL 22.11 refuses --no-huge together with --in-memory. */
	if (huge) {
		add(args, "--in-memory");
	} else {
		add(args, "--no-huge");
		add(args, "--no-shconf");
	}
	add(args, "-m");
	add(args, "%llu", (unsigned long long)MR_MAX(opt->memory_mb, 64u));
	if (opt->single_file_segments)
		add(args, "--single-file-segments");
}

static void add_devices(struct eal_args *args, const struct eal_options *opt)
{
	uint32_t allowed = 0;

	for (uint32_t i = 0; opt->pci && i < MR_PORTS_MAX && opt->pci_allow[i][0] != '\0'; i++) {
		add(args, "-a");
		add(args, "%.31s", opt->pci_allow[i]);
		allowed++;
	}
	/* Without a list EAL would take every NIC it finds, the machine's own among them. */
	if (allowed == 0) {
		add(args, "--no-pci");
		add(args, "--iova-mode=va");
	}
	for (uint32_t i = 0; i < MR_PORTS_MAX && opt->vdev[i][0] != '\0'; i++)
		add(args, "--vdev=%.255s", opt->vdev[i]);
}

static void add_log_level(struct eal_args *args, const struct eal_options *opt)
{
	if (opt->log_level != 0) {
		add(args, "--log-level=*:%u", opt->log_level);
		return;
	}
	/* No pattern for all: which of two matching ones wins depends on when a type registers. */
	add(args, "--log-level=lib.eal:warning");
	add(args, "--log-level=lib.vhost.config:warning");
	/* Telemetry warns that nobody uses its old protocol. */
	add(args, "--log-level=lib.telemetry:error");
}

int eal_args_build(struct eal_args *args, const struct eal_options *opt,
		   const struct eal_cpus *cpus, bool huge, const char **why)
{
	memset(args, 0, sizeof(*args));
	if (opt->nlcores == 0 || opt->nlcores > MR_WORKERS_MAX) {
		*why = port_why("The number of workers of all engines is %u: expected 1 to %u.",
				opt->nlcores, MR_WORKERS_MAX);
		return -1;
	}
	for (uint32_t i = 0; i < opt->nlcores; i++) {
		if (has_cpu(cpus->cpu, cpus->count, opt->lcores[i]))
			continue;
		*why = port_why("CPU %u was given to a worker, but this process may not use it "
				"(%u CPUs are allowed: see taskset -p %d).",
				opt->lcores[i], cpus->count, (int)getpid());
		return -1;
	}
	add(args, "%.255s", opt->program != NULL ? opt->program : "millrace");
	add_lcores(args, opt, cpus);
	add_memory(args, opt, huge);
	add_devices(args, opt);
	if (opt->file_prefix != NULL && opt->file_prefix[0] != '\0')
		add(args, "--file-prefix=%.63s", opt->file_prefix);
	else
		add(args, "--file-prefix=millrace%d", (int)getpid());
	add_log_level(args, opt);
	return 0;
}

/* ---- start and end ---- */

static void allowed_cpus(struct eal_cpus *cpus)
{
	cpu_set_t set;

	cpus->count = 0;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return;
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE && cpus->count < MR_ARRAY_LEN(cpus->cpu); cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus->cpu[cpus->count++] = cpu;
}

/* A second process on one tap interface attaches as another of its queues and takes packets. */
static bool tap_is_free(const char *vdev, const char **why)
{
	const char *iface = strstr(vdev, "iface=");
	char name[IF_NAMESIZE];
	size_t len;

	if (strncmp(vdev, "net_tap", 7) != 0 || iface == NULL)
		return true;
	iface += strlen("iface=");
	len = strcspn(iface, ",");
	if (len >= sizeof(name)) {
		*why = port_why("The interface name in '%s' is longer than %u characters.", vdev,
				IF_NAMESIZE - 1);
		return false;
	}
	memcpy(name, iface, len);
	name[len] = '\0';
	if (if_nametoindex(name) == 0)
		return true;
	*why = port_why("The interface %s exists already: another process uses it, or it was left "
			"behind (ip link delete %s removes it).",
			name, name);
	return false;
}

/* EAL leaves a directory with telemetry's socket behind for each prefix. */
static void remove_runtime_dir(void)
{
	char path[sizeof(eal.runtime_dir) + 32];

	if (eal.runtime_dir[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/dpdk_telemetry.v2", eal.runtime_dir);
	unlink(path);
	rmdir(eal.runtime_dir);
}

/*
 * What drivers log as errors although nothing is wrong. Their level stays as it is: lines that are
 * not in this list may be the reason of a failure.
 */
static const char *const harmless[] = {
	/* net_tap: without the qdisc there is no rte_flow, which is not used. */
	"tap_nl_dump_ext_ack",
	"multiq qdisc",
	"Disabling rte flow support",
	/* net_tap, net_memif: there are no secondary processes without shared configuration. */
	"Failed to send start req to secondary",
	"Failed to register mp action callback",
	"tap_mp_req_on_rxtx",
};

static _Thread_local bool quiet;

void eal_quiet(bool yes)
{
	quiet = yes;
}

static ssize_t log_write(void *cookie MR_UNUSED, const char *text, size_t len)
{
	if (quiet)
		return (ssize_t)len;
	for (unsigned int i = 0; i < MR_ARRAY_LEN(harmless); i++)
		if (memmem(text, len, harmless[i], strlen(harmless[i])) != NULL)
			return (ssize_t)len;
	return fwrite(text, 1, len, stderr) == len ? (ssize_t)len : -1;
}

/* DPDK writes each message, one line, through this stream. */
static void filter_log(void)
{
	cookie_io_functions_t io = {.write = log_write};
	FILE *f = fopencookie(NULL, "w", io);

	if (f == NULL)
		return;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(f);
}

static bool enough_hugepages(const struct eal_options *opt)
{
	return opt->hugepages && eal_free_hugepages() * HUGEPAGE_MB >= opt->memory_mb;
}

static int eal_init(const struct eal_options *opt, const char **why)
{
	struct eal_cpus *cpus = malloc(sizeof(*cpus));
	int rc = -1;

	if (cpus == NULL) {
		*why = port_why("No memory is left to start EAL.");
		return -1;
	}
	allowed_cpus(cpus);
	eal.huge = enough_hugepages(opt);
	if (eal_args_build(&eal.args, opt, cpus, eal.huge, why) != 0)
		goto out;
	eal.was_started = true;
	atexit(remove_runtime_dir);
	if (opt->log_level == 0)
		filter_log();
	rc = rte_eal_init(eal.args.argc, eal.args.argv);
	if (rc < 0)
		*why = port_why(
			"EAL did not start (%s): %llu MB of %s memory, and the devices that were "
			"named, are needed.",
			rte_strerror(rte_errno), (unsigned long long)opt->memory_mb,
			eal.huge ? "hugepage" : "plain");
	snprintf(eal.runtime_dir, sizeof(eal.runtime_dir), "%s", rte_eal_get_runtime_dir());
out:
	free(cpus);
	return rc < 0 ? -1 : 0;
}

int eal_start(const struct eal_options *opt, const char **why)
{
	if (eal.was_started) {
		*why = port_why("EAL was started before: it starts once in the life of a process.");
		return -1;
	}
	for (uint32_t i = 0; i < MR_PORTS_MAX && opt->vdev[i][0] != '\0'; i++)
		if (!tap_is_free(opt->vdev[i], why))
			return -1;
	if (eal_init(opt, why) != 0)
		return -1;
	eal.started = true;
	eal.nlcores = opt->nlcores;
	memcpy(eal.cpu, opt->lcores, sizeof(eal.cpu));
	eal_clock();
	engine_telemetry_init();
	return 0;
}

static void passed(void *arg)
{
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
}

/*
 * EAL's interrupt thread may be just behind a callback whose port was closed meanwhile; what it
 * looks at there lies in the memory that is given back next. An alarm comes after it.
 */
static void wait_for_interrupts(void)
{
	bool done = false;

	if (gate_callbacks() == 0 || rte_eal_alarm_set(1, passed, &done) != 0)
		return;
	for (unsigned int ms = 0; ms < INTERRUPTS_MS; ms++) {
		if (__atomic_load_n(&done, __ATOMIC_ACQUIRE))
			return;
		usleep(1000);
	}
	rte_eal_alarm_cancel(passed, &done);
}

void eal_stop(void)
{
	if (!eal.started)
		return;
	/* Ports that no engine ever took; those of engines are closed with them. */
	gate_lock();
	for (uint16_t port = 0; port < RTE_MAX_ETHPORTS; port++)
		if (rte_eth_dev_is_valid_port(port))
			rte_eth_dev_close(port);
	gate_unlock();
	eal.started = false;
	wait_for_interrupts();
	rte_eal_cleanup();
	remove_runtime_dir();
}

/* ---- lcores ---- */

int eal_claim_lcore(uint32_t cpu)
{
	for (uint32_t i = 0; eal.started && i < eal.nlcores; i++) {
		if (eal.cpu[i] != cpu || eal.taken[i])
			continue;
		eal.taken[i] = true;
		return (int)i;
	}
	return -1;
}

void eal_release_lcore(int lcore)
{
	if (lcore >= 0 && (uint32_t)lcore < MR_WORKERS_MAX)
		eal.taken[lcore] = false;
}

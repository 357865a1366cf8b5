/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From options and plan to engines. Everything is allocated here, before the workers start. Read
 * next: run.c, which lets them run.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures.h"
#include "rig.h"

/* A thousand connections' worth of frames may wait in a ring between two pollers. */
#define RING_ENTRIES 8192u
#define EAL_MARGIN_MB 64u

static_assert(MB_ARG_MAX == ENGINE_ARG_MAX, "a --vdev argument goes to EAL as it is");
static_assert(MB_CPUS_MAX == MR_WORKERS_MAX, "one client per worker");

/* ---- The stacks ---- */

static void server_stack(struct mb_rig *r)
{
	const struct mb_options *o = r->options;
	struct stack_listener *l = &r->listener;

	mb_plan_server_stack(o, &r->plan, &r->server_stack);
	*l = (struct stack_listener){
		.family = o->target.family,
		.prefix_len = o->target.family == 4 ? 32 : 128,
		.port_first = o->target.port,
		.port_last = o->target.port,
		.backlog = r->plan.server.conns,
		.callbacks = mb_peer_callbacks(o),
		.arg = &r->peer,
		.name = "peer",
	};
	memcpy(l->addr, o->target.addr, 16);
	r->server_stack.listener = l;
	r->server_stack.nlisteners = 1;
}

/* ---- The load ---- */

static void make_request(struct mb_rig *r)
{
	const struct mb_options *o = r->options;
	char host[64];

	memset(r->request, 'm', sizeof(r->request));
	r->load.request = r->request;
	r->load.request_octets = (uint32_t)o->request_octets;
	if (o->http[0] == '\0')
		return;
	mb_format_endpoint(&o->target, host, sizeof(host));
	r->load.request_octets = (uint32_t)snprintf(
		r->request, sizeof(r->request), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", o->http,
		host, o->mode == MB_REQUEST ? "Connection: close\r\n" : "");
}

static bool make_load(struct mb_rig *r)
{
	const struct mb_options *o = r->options;
	static const char piece[MB_PIECE_OCTETS];
	struct mb_load *l = &r->load;

	*l = (struct mb_load){
		.mode = o->mode,
		.closer = o->closer,
		.slots = r->plan.slots,
		.at_once = r->plan.at_once,
		.rate_per_s = (double)o->rate / (double)o->workers,
		.poisson = o->arrivals == MB_POISSON,
		.seed = o->seed,
		.callbacks = mb_client_callbacks(o->mode, o->closer),
		.target = o->target,
		.response_octets = (uint32_t)o->response_octets,
		.requests = o->mode == MB_KEEPALIVE ? (uint32_t)o->requests : 1,
		.http = o->http[0] != '\0',
	};
	mr_clock_init(&l->clock);
	make_request(r);
	if (l->request_octets <= MB_COPY_OCTETS)
		return true;
	l->piece = mr_static_create(piece, sizeof(piece));
	return l->piece != NULL;
}

static bool make_clients(struct mb_rig *r)
{
	if (!make_load(r))
		return false;
	for (unsigned int i = 0; i < r->options->workers; i++) {
		r->clients[i] = mb_client_create(&r->load, i);
		if (r->clients[i] == NULL)
			return false;
		mb_plan_tuples(r->options, &r->plan, i, &r->clients[i]->tuples);
	}
	return true;
}

static void on_start(struct mr_worker *w, void *arg)
{
	struct mb_rig *r = arg;
	struct engine *side[2] = {r->client, r->server};

	for (int s = 0; s < 2; s++) {
		for (unsigned int i = 0; side[s] != NULL && i < engine_workers(side[s]); i++) {
			if (engine_worker(side[s], i) != w)
				continue;
			r->tid[s][i] = gettid();
			if (s == 0)
				mb_client_bind(w, r->clients[i]);
		}
	}
}

static bool on_turn(struct mr_worker *w, void *arg)
{
	(void)arg;
	return mb_client_turn(mb_client_of(w));
}

/* ---- EAL and engines ---- */

/**
 * CPUs as asked for, or the first ones that this process may use; where there are too few, some get
 * two workers, which then must sleep between bursts.
 */
static void choose_cpus(const struct mb_options *o, uint32_t want, uint32_t *cpu)
{
	cpu_set_t allowed;
	uint32_t n = 0, given = o->lcores.count;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (uint32_t i = 0; given == 0 && i < CPU_SETSIZE && n < want; i++) {
		if (CPU_ISSET(i, &allowed))
			cpu[n++] = i;
	}
	for (; given != 0 && n < want; n++)
		cpu[n] = o->lcores.cpu[n];
	for (uint32_t have = n; n < want; n++)
		cpu[n] = cpu[n - have];
}

/** Does any CPU run two workers? */
static bool shares_cpus(const uint32_t *cpu, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (cpu[i] == cpu[k])
				return true;
		}
	}
	return false;
}

static void common_engine(const struct mb_options *o, struct engine_config *cfg, const char *name,
			  const struct stack_config *stack, const uint32_t *cpu)
{
	memset(cfg, 0, sizeof(*cfg));
	snprintf(cfg->name, sizeof(cfg->name), "%s", name);
	cfg->nports = 1;
	cfg->nworkers = (uint32_t)o->workers;
	memcpy(cfg->lcores, cpu, o->workers * sizeof(cpu[0]));
	/* Both pools: headers and small payloads are control mbufs. */
	cfg->mbufs = cfg->ctl_mbufs = (uint32_t)o->mbufs;
	cfg->idle = ENGINE_IDLE_SPIN;
	cfg->profile_dir = o->profile_dir[0] != '\0' ? o->profile_dir : NULL;
	cfg->stack = stack;
}

static void name_port(const struct mb_options *o, struct engine_config *cfg)
{
	char *name = cfg->port[0].name;

	/* A virtual device is named by what stands before its first comma. */
	snprintf(name, sizeof(cfg->port[0].name), "%.*s", (int)strcspn(o->vdev, ","), o->vdev);
	if (o->ring) /* what engine_eal_memory() cannot know before the ring is there */
		cfg->port[0].tx_desc = RING_ENTRIES;
	if (o->pci[0] != '\0')
		snprintf(name, sizeof(cfg->port[0].name), "%.63s", o->pci);
}

static int start_eal(const struct mb_rig *r, const char *program, char err[MB_ERROR_MAX])
{
	static struct eal_options eal; /* 4 KB of names; EAL is started once */
	const struct mb_options *o = r->options;
	const char *why = "";
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "millbench%d", (int)getpid());
	eal.program = program;
	eal.file_prefix = prefix;
	eal.nlcores = r->ncpus;
	memcpy(eal.lcores, r->cpu, r->ncpus * sizeof(r->cpu[0]));
	eal.memory_mb = (r->eal_octets >> 20) + EAL_MARGIN_MB;
	eal.hugepages = !o->no_huge && eal_free_hugepages() * 2 >= eal.memory_mb;
	eal.pci = o->pci[0] != '\0';
	memcpy(eal.vdev[0], o->vdev, sizeof(o->vdev));
	snprintf(eal.pci_allow[0], sizeof(eal.pci_allow[0]), "%.31s", o->pci);
	if (eal_start(&eal, &why) == 0)
		return 0;
	snprintf(err, MB_ERROR_MAX, "DPDK does not start: %s", why);
	return -1;
}

static unsigned int worker_of(const void *ctx, const struct mr_endpoint *remote,
			      const struct mr_endpoint *local)
{
	return engine_worker_of(ctx, 0, remote, local);
}

/** Where RSS decides whom a reply reaches, a worker opens from those tuples that are its own. */
static int share_tuples(struct mb_rig *r, char err[MB_ERROR_MAX])
{
	const struct mb_options *o = r->options;

	r->owner = (struct mb_owner){worker_of, r->client, o->target};
	if (mb_plan_share(o, &r->plan, &r->owner, err) != 0)
		return -1;
	for (unsigned int i = 0; r->plan.steered && i < o->workers; i++)
		mb_plan_tuples_steered(o, &r->plan, i, &r->owner, &r->clients[i]->tuples);
	return 0;
}

static int create_engines(struct mb_rig *r, bool client, bool server, char err[MB_ERROR_MAX])
{
	const char *why = "";

	if (r->options->ring &&
	    engine_ring_pair("mb", (uint16_t)r->options->workers, RING_ENTRIES,
			     r->server_config.port[0].name, r->client_config.port[0].name) != 0) {
		snprintf(err, MB_ERROR_MAX, "No pair of ring ports could be made.");
		return -1;
	}
	if (server && (r->server = engine_create(&r->server_config, &why)) == NULL) {
		snprintf(err, MB_ERROR_MAX, "The terminator's engine: %s", why);
		return -1;
	}
	if (client && (r->client = engine_create(&r->client_config, &why)) == NULL) {
		snprintf(err, MB_ERROR_MAX, "The client's engine: %s", why);
		return -1;
	}
	return client ? share_tuples(r, err) : 0;
}

static void configure(struct mb_rig *r, bool client, bool server)
{
	const struct mb_options *o = r->options;
	const uint32_t *client_cpu = server ? r->cpu + o->workers : r->cpu;

	if (server) {
		server_stack(r);
		common_engine(o, &r->server_config, "server", &r->server_stack, r->cpu);
		name_port(o, &r->server_config);
		r->server_config.on_start = on_start;
		r->server_config.arg = r;
		r->table_octets[1] = o->workers * stack_memory(&r->server_stack);
		r->eal_octets += engine_eal_memory(&r->server_config);
	}
	if (!client)
		return;
	mb_plan_client_stack(o, &r->plan, &r->client_stack);
	common_engine(o, &r->client_config, "client", &r->client_stack, client_cpu);
	name_port(o, &r->client_config);
	r->client_config.on_start = on_start;
	r->client_config.on_turn = on_turn;
	r->client_config.arg = r;
	r->table_octets[0] = o->workers * stack_memory(&r->client_stack);
	r->eal_octets += engine_eal_memory(&r->client_config);
}

static uint64_t mbufs_out(const struct mb_rig *r)
{
	return (r->client != NULL ? engine_mbufs_out(r->client) : 0) +
	       (r->server != NULL ? engine_mbufs_out(r->server) : 0);
}

static int check_memory(const struct mb_rig *r, char err[MB_ERROR_MAX])
{
	uint64_t need =
		r->table_octets[0] + r->table_octets[1] + r->eal_octets + r->generator_octets;
	uint64_t have = mr_bigmem_available();

	if (need <= have)
		return 0;
	snprintf(err, MB_ERROR_MAX,
		 "This run wants %llu MB, but %llu MB are free: lower --hold, --concurrency, "
		 "--rate, --mbufs or --msl-ms.",
		 (unsigned long long)(need >> 20), (unsigned long long)(have >> 20));
	return -1;
}

int mb_rig_plan(struct mb_rig *r, const struct mb_options *o, char err[MB_ERROR_MAX])
{
	bool client = o->command != MB_SERVE_PEER, server = o->ring || !client;

	memset(r, 0, sizeof(*r));
	r->options = o;
	r->rss_before = mb_resident_octets();
	r->ncpus = (uint32_t)o->workers * (client && server ? 2 : 1);
	if (mb_plan_make(o, &r->plan, err) != 0)
		return -1;
	choose_cpus(o, r->ncpus, r->cpu);
	configure(r, client, server);
	r->shares_cpus = shares_cpus(r->cpu, r->ncpus);
	if (r->shares_cpus)
		r->client_config.idle = r->server_config.idle = ENGINE_IDLE_SLEEP;
	if (client)
		r->generator_octets = o->workers * mb_client_octets(o, r->plan.slots);
	return 0;
}

int mb_rig_build(struct mb_rig *r, const char *program, char err[MB_ERROR_MAX])
{
	const struct mb_options *o = r->options;
	bool client = o->command != MB_SERVE_PEER, server = o->ring || !client;

	if (check_memory(r, err) != 0 || start_eal(r, program, err) != 0)
		return -1;
	if (server && !mb_peer_create(&r->peer, o)) {
		snprintf(err, MB_ERROR_MAX, "No memory for the response.");
		return -1;
	}
	if (client && !make_clients(r)) {
		snprintf(err, MB_ERROR_MAX, "No memory for %u connections of the client.",
			 r->plan.slots);
		return -1;
	}
	if (create_engines(r, client, server, err) != 0)
		return -1;
	r->mbufs_with_ports = mbufs_out(r);
	return 0;
}

int mb_rig_start(struct mb_rig *r, char err[MB_ERROR_MAX])
{
	/* The terminator first: it must be listening when the first SYN comes. */
	if ((r->server != NULL && engine_start(r->server) != 0) ||
	    (r->client != NULL && engine_start(r->client) != 0)) {
		snprintf(err, MB_ERROR_MAX, "The polling threads do not start.");
		return -1;
	}
	return 0;
}

static void halt(struct engine *e)
{
	if (e == NULL)
		return;
	engine_request_stop(e);
	engine_wait(e);
}

void mb_rig_halt(struct mb_rig *r)
{
	halt(r->client);
	halt(r->server);
}

/** What a port may still hold of the frames it sent: most drivers free them when they send more. */
static uint64_t unfreed_by_port(const struct engine *e)
{
	static const char *const at_once[] = {"net_ring", "net_memif", "net_tap", "net_af_packet"};
	struct engine_port_info port;

	if (e == NULL || !engine_port_info(e, 0, &port))
		return 0;
	for (size_t i = 0; i < MR_ARRAY_LEN(at_once); i++) {
		if (strcmp(port.driver, at_once[i]) == 0)
			return 0;
	}
	return (uint64_t)port.tx_queues * port.tx_desc;
}

uint64_t mb_rig_leaked(const struct mb_rig *r)
{
	uint64_t out = mbufs_out(r);
	uint64_t kept =
		r->mbufs_with_ports + unfreed_by_port(r->client) + unfreed_by_port(r->server);

	return out > kept ? out - kept : 0;
}

void mb_rig_destroy(struct mb_rig *r)
{
	/* A frame that a failed run left in a ring may still show static octets. */
	bool home = mb_rig_leaked(r) == 0;

	engine_destroy(r->client);
	engine_destroy(r->server);
	for (unsigned int i = 0; i < MB_CPUS_MAX; i++)
		mb_client_destroy(r->clients[i]);
	if (home) {
		mr_static_destroy(r->load.piece);
		mb_peer_destroy(&r->peer);
	}
	eal_stop();
}

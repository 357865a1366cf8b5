/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each driver that works without a NIC is brought up by an engine whose (double) stack sends every
 * frame back: against the kernel, whose end a raw socket plays, or against a second process. Every
 * test has a network namespace of its own. What the kernel of this machine refuses is skipped, with
 * the reason.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "port_double.h"

#define FRAMES 200u
#define ETHERTYPE 0x88b5 /* IEEE 802: for local experiments */
#define PATIENCE_MS 10000u

static struct eal_options opt;
static struct stack_config stack;
static struct engine_config cfg;
static struct engine_port_info info;
static const char *why = "";
static bool (*turn)(struct mr_worker *w, void *arg);
static bool single_file;

/* Memory of libxdp that net_af_xdp does not give back when it closes a port. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:xsk_umem__create";
}

/* A list of used suppressions would be a report, and a report fails the test. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

/* ---- set-up ---- */

static void shell(const char *cmd)
{
	cr_assert_eq(double_shell(cmd), 0, "%s", cmd);
}

static void own_namespace(void)
{
	if (unshare(CLONE_NEWNET) != 0)
		cr_skip_test("no network namespace of its own: %s", strerror(errno));
}

static void veth(void)
{
	own_namespace();
	shell("ip link add ve0 type veth peer name ve1 && sysctl -q -w "
	      "net.ipv6.conf.all.disable_ipv6=1 && "
	      "ip link set ve0 up && ip link set ve1 up");
}

/* One engine with one worker on the CPU-th CPU, on one port made by a vdev argument. */
static struct engine *engine_on(const char *port, const char *vdev, uint32_t cpu)
{
	struct engine *e;

	double_eal(&opt, 2);
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "%s%s", port, vdev);
	memset(&cfg, 0, sizeof(cfg));
	snprintf(cfg.name, sizeof(cfg.name), "pmd");
	snprintf(cfg.port[0].name, sizeof(cfg.port[0].name), "%s", port);
	cfg.nports = 1;
	cfg.nworkers = 1;
	cfg.lcores[0] = opt.lcores[cpu];
	cfg.idle = ENGINE_IDLE_SLEEP;
	cfg.stack = &stack;
	cfg.on_turn = turn;
	opt.single_file_segments = single_file;
	if (eal_start(&opt, &why) != 0)
		return NULL;
	e = engine_create(&cfg, &why);
	cr_assert_not_null(e, "%s", why);
	cr_assert(engine_port_info(e, 0, &info));
	cr_assert(strstr(info.profile, "built-in") != NULL, "%s", info.profile);
	return e;
}

static void end(struct engine *e)
{
	engine_request_stop(e);
	engine_wait(e);
	engine_destroy(e);
	eal_stop();
}

/* ---- the kernel's side ---- */

static int raw_socket(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE));

	at.sll_ifindex = (int)if_nametoindex(ifname);
	cr_assert_geq(fd, 0);
	cr_assert_gt(at.sll_ifindex, 0, "no interface %s", ifname);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Sends one frame to the engine and waits for it to come back unchanged. */
static bool round_trip(int fd, uint32_t mark, int wait_ms)
{
	uint8_t frame[200] = {0}, back[2048];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	memcpy(frame, info.mac, 6);
	frame[6] = 2;
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	memcpy(frame + 14, &mark, sizeof(mark));
	cr_assert_eq(send(fd, frame, sizeof(frame), 0), (ssize_t)sizeof(frame), "%s",
		     strerror(errno));
	while (poll(&p, 1, wait_ms) > 0) {
		n = recv(fd, back, sizeof(back), 0);
		if (n == (ssize_t)sizeof(frame) && memcmp(frame, back, sizeof(frame)) == 0)
			return true;
	}
	return false;
}

/* The interface may need a moment after the start: the first trip may be tried again. */
static void many_round_trips(const char *ifname)
{
	int fd = raw_socket(ifname);
	bool through = false;

	for (unsigned int i = 0; i < 50 && !through; i++)
		through = round_trip(fd, 0xffff0000u + i, 100);
	cr_assert(through, "no frame came back on %s", ifname);
	for (uint32_t i = 0; i < FRAMES; i++)
		cr_assert(round_trip(fd, i, 2000), "frame %u was lost", i);
	close(fd);
}

Test(port_pmds, tap, .timeout = 60)
{
	struct engine *e;

	own_namespace();
	double_echo = true;
	e = engine_on("net_tap0", ",iface=mrtest0", 0);
	cr_assert_not_null(e, "%s", why);
	cr_assert_eq(info.mac[0] & 3, 2, "the engine's MAC is not a local one of its own");
	cr_assert(info.link_up);
	cr_assert_eq(engine_start(e), 0);
	shell("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1; ip link set mrtest0 up");
	many_round_trips("mrtest0");
	/* The kernel's side did not take the engine's MAC. */
	cr_assert_neq(double_shell("ip link show mrtest0 | grep -qi promisc"), 0);
	end(e);
}

Test(port_pmds, tap_follows_the_link, .timeout = 60)
{
	struct engine *e;
	struct mr_worker *w;

	own_namespace();
	e = engine_on("net_tap0", ",iface=mrtest0", 0);
	cr_assert_not_null(e, "%s", why);
	w = engine_worker(e, 0);
	cr_assert_eq(engine_start(e), 0);
	for (unsigned int i = 0; i < 50 && __atomic_load_n(&w->links, __ATOMIC_RELAXED) < 1; i++)
		usleep(100000);
	cr_assert(w->link_up, "a link that is up at start is told");
	shell("ip link set mrtest0 down");
	for (unsigned int i = 0; i < 50 && __atomic_load_n(&w->links, __ATOMIC_RELAXED) < 2; i++)
		usleep(100000);
	cr_assert(!w->link_up);
	shell("ip link set mrtest0 up");
	for (unsigned int i = 0; i < 50 && __atomic_load_n(&w->links, __ATOMIC_RELAXED) < 3; i++)
		usleep(100000);
	cr_assert(w->link_up);
	end(e);
}

Test(port_pmds, af_packet, .timeout = 60)
{
	struct engine *e;

	veth();
	double_echo = true;
	e = engine_on("net_af_packet0", ",iface=ve0,qpairs=1", 0);
	cr_assert_not_null(e, "%s", why);
	cr_assert_eq(info.tx_offload, 0);
	cr_assert_eq(engine_start(e), 0);
	many_round_trips("ve1");
	end(e);
}

/* Where an object of the pool is, from the first one on. */
static void see_object(struct rte_mempool *mp, void *first, void *obj, unsigned int i)
{
	uintptr_t at = (uintptr_t)obj - mp->header_size;

	if (i == 0)
		*(uintptr_t *)first = at;
	cr_assert_eq(at % 4096, 0);
	cr_assert_eq(at - *(uintptr_t *)first, 4096ul * i, "object %u", i);
}

/* What the driver registers, (objects x size) octets from the page the memory begins in, is all. */
static void expect_array_of_pages(struct rte_mempool *mp)
{
	uintptr_t first;

	cr_assert_eq(mp->nb_mem_chunks, 1);
	cr_assert_eq(rte_mempool_obj_iter(mp, see_object, &first), mp->size);
	cr_assert_eq((uintptr_t)STAILQ_FIRST(&mp->mem_list)->addr, first);
}

Test(port_pmds, af_xdp, .timeout = 60)
{
	struct engine *e;

	veth();
	double_echo = true;
	e = engine_on("net_af_xdp0", ",iface=ve0", 0);
	if (e == NULL)
		cr_skip_test("the kernel refuses AF_XDP: %s", why);
	cr_assert_eq(info.rx_queues, 1);
	expect_array_of_pages(engine_worker(e, 0)->init.data_pool);
	cr_assert_eq(engine_start(e), 0);
	many_round_trips("ve1");
	end(e);
}

/* ---- two processes ---- */

static bool send_some(struct mr_worker *w, void *arg)
{
	(void)arg;
	/* A device may exist before the other side listens: frames of that time are lost. */
	if (!w->link_up || w->received >= FRAMES || w->sent - w->received > 10 * FRAMES)
		return false;
	double_send(w, 16);
	return true;
}

/* The echoing process: lives until the other one closes the pipe. */
static pid_t echo_process(const char *port, const char *vdev, int fd[2])
{
	pid_t pid;
	char byte = 'r';

	cr_assert_eq(pipe(fd), 0);
	pid = fork();
	if (pid != 0)
		return pid;
	double_echo = true;
	struct engine *e = engine_on(port, vdev, 1);

	if (e == NULL || engine_start(e) != 0)
		_exit(1);
	close(fd[1]);
	while (read(fd[0], &byte, 1) > 0)
		continue;
	end(e);
	_exit(0);
}

/* Frames to the other process and back; this process starts when the other one has made its socket.
 */
static void two_processes(const char *const far[2], const char *const near[2], const char *path)
{
	struct engine *e;
	struct mr_worker *w;
	int fd[2], status = -1;
	pid_t pid = echo_process(far[0], far[1], fd);

	close(fd[0]);
	for (unsigned int ms = 0; ms < PATIENCE_MS && access(path, F_OK) != 0; ms += 10)
		usleep(10000);
	turn = send_some;
	e = engine_on(near[0], near[1], 0);
	cr_assert_not_null(e, "%s", why);
	w = engine_worker(e, 0);
	cr_assert_eq(engine_start(e), 0);
	for (unsigned int ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (__atomic_load_n(&w->received, __ATOMIC_RELAXED) >= FRAMES)
			break;
		usleep(10000);
	}
	cr_assert_geq(w->received, FRAMES, "%llu of %llu frames came back, link %s",
		      (unsigned long long)w->received, (unsigned long long)w->sent,
		      w->link_up ? "up" : "down");
	end(e);
	close(fd[1]);
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the other process: status %d",
		  status);
	unlink(path);
}

Test(port_pmds, memif_between_two_processes, .timeout = 60)
{
	char path[64], far[ENGINE_ARG_MAX], near[ENGINE_ARG_MAX];

	snprintf(path, sizeof(path), "/tmp/mr_memif_%d", (int)getpid());
	snprintf(far, sizeof(far), ",role=server,socket-abstract=no,socket=%s", path);
	snprintf(near, sizeof(near), ",role=client,socket-abstract=no,socket=%s", path);
	two_processes((const char *[]){"net_memif0", far}, (const char *[]){"net_memif0", near},
		      path);
}

Test(port_pmds, virtio_user_to_vhost_in_two_processes, .timeout = 60)
{
	char path[64], far[ENGINE_ARG_MAX], near[ENGINE_ARG_MAX];

	snprintf(path, sizeof(path), "/tmp/mr_vhost_%d", (int)getpid());
	snprintf(far, sizeof(far), ",iface=%s,queues=1", path);
	snprintf(near, sizeof(near), ",path=%s,queues=1", path);
	single_file = true;
	two_processes((const char *[]){"net_vhost0", far},
		      (const char *[]){"net_virtio_user0", near}, path);
}

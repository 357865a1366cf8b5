/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The double's part of stack.h and millrace.h: all that lib/port calls; and of ethdev.
 */
#include <dlfcn.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "port_double.h"

bool double_echo, double_deaf;
unsigned int double_fail_from = MR_WORKERS_MAX;

static struct mr_worker *workers[MR_WORKERS_MAX];

struct mr_worker *stack_create(const struct stack_init *init, const char **why)
{
	struct mr_worker *w;

	if (init->id >= double_fail_from) {
		*why = "The double was told to fail.";
		return NULL;
	}
	w = calloc(1, sizeof(*w));
	w->init = *init;
	w->echo = double_echo;
	w->link_up = init->port[0].up;
	pthread_mutex_init(&w->lock, NULL);
	workers[init->id] = w;
	return w;
}

void stack_destroy(struct mr_worker *w)
{
	workers[w->init.id] = NULL;
	free(w);
}

void stack_set_time(struct mr_worker *w, uint64_t now_us)
{
	if (now_us < w->init.now_us)
		abort();
	w->init.now_us = now_us;
}

void stack_set_load(struct mr_worker *w, unsigned int load) { w->load = load; }

void stack_rx(struct mr_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		w->flags_seen |= pkts[i]->ol_flags;
		if (w->in_order)
			w->in_order = *rte_pktmbuf_mtod(pkts[i], uint32_t *) == w->received + i;
	}
	w->received += n;
	if (w->echo) {
		w->sent += n;
		w->init.io.transmit(w->init.io.ctx, port, pkts, n);
	} else {
		rte_pktmbuf_free_bulk(pkts, n);
	}
}

bool stack_turn(struct mr_worker *w)
{
	unsigned int n;

	w->turns++;
	if (double_deaf)
		return false;
	pthread_mutex_lock(&w->lock);
	n = w->nmail;
	for (unsigned int i = 0; i < n; i++)
		w->mail[i].fn(w, w->mail[i].arg);
	w->nmail = 0;
	pthread_mutex_unlock(&w->lock);
	return n > 0;
}

uint32_t stack_mbufs_ready(const struct mr_worker *w)
{
	(void)w;
	return 0;
}

void stack_flush(struct mr_worker *w)
{
	(void)w;
}

uint32_t stack_idle_ms(const struct mr_worker *w, uint32_t max_ms)
{
	(void)w;
	return max_ms;
}

void stack_link(struct mr_worker *w, uint16_t port, bool up)
{
	(void)port;
	w->links++;
	w->link_up = up;
}

void stack_stats(const struct mr_worker *w, struct stack_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->counters.v[MR_C_RX_FRAMES] = w->received;
	out->conns_open[0] = 3;
	out->wheel_behind_ms = 5 + w->init.id;
}

bool mr_post(unsigned int id, void (*fn)(struct mr_worker *w, void *arg), void *arg)
{
	struct mr_worker *w = id < MR_WORKERS_MAX ? workers[id] : NULL;
	bool room;

	if (w == NULL)
		return false;
	pthread_mutex_lock(&w->lock);
	room = w->nmail < DOUBLE_MAIL;
	if (room) {
		w->mail[w->nmail].fn = fn;
		w->mail[w->nmail++].arg = arg;
	}
	pthread_mutex_unlock(&w->lock);
	return room;
}

unsigned int mr_worker_id(const struct mr_worker *w)
{
	return w->init.id;
}

/* ---- sending ---- */

struct rte_mbuf *stack_ctl_mbuf(struct mr_worker *w)
{
	return rte_pktmbuf_alloc(w->init.ctl_pool);
}

uint32_t mr_send_room(struct mr_worker *w, mr_conn c)
{
	(void)c;
	return w->room;
}

void mr_want_writable(struct mr_worker *w, mr_conn c)
{
	(void)c;
	w->wants++;
}

uint32_t mr_send(struct mr_worker *w, mr_conn c, struct rte_mbuf *data, unsigned int flags)
{
	uint32_t len = data->pkt_len;

	(void)c;
	(void)flags;
	if (len > w->room)
		return 0;
	w->room -= len;
	w->sent += len;
	w->last_octet = *rte_pktmbuf_mtod_offset(data, const uint8_t *, len - 1);
	if (w->hold) {
		data->next = w->held;
		w->held = data;
	} else {
		rte_pktmbuf_free(data);
	}
	return len;
}

/* ---- ethdev ---- */

int double_reta_error;

/* The program's symbol comes before that of DPDK's shared library. */
int rte_eth_dev_rss_reta_query(uint16_t port, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	int (*real)(uint16_t, struct rte_eth_rss_reta_entry64 *, uint16_t);

	if (double_reta_error != 0)
		return double_reta_error;
	*(void **)&real = dlsym(RTLD_NEXT, "rte_eth_dev_rss_reta_query");
	return real(port, reta, size);
}

/* ---- helpers ---- */

unsigned int double_send(struct mr_worker *w, unsigned int n)
{
	struct rte_mbuf *m[MR_BURST];
	unsigned int got = 0;

	while (got < n && got < MR_BURST) {
		m[got] = rte_pktmbuf_alloc(w->init.ctl_pool);
		if (m[got] == NULL)
			break;
		memset(rte_pktmbuf_append(m[got], 64), 0, 64);
		m[got]->hash.usr = STACK_TX_CTRL;
		/* What a sender leaves behind in its mbuf; the receiver must not believe it. */
		m[got]->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		got++;
	}
	w->sent += got;
	w->init.io.transmit(w->init.io.ctx, 0, m, (uint16_t)got);
	return got;
}

int double_shell(const char *command)
{
	char sh[] = "sh", c[] = "-c", line[2048];
	char *argv[] = {sh, c, line, NULL};
	int status;
	pid_t pid;

	if (snprintf(line, sizeof(line), "%s", command) >= (int)sizeof(line) ||
	    posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void double_eal(struct eal_options *opt, uint32_t n)
{
	cpu_set_t set;
	uint32_t cpus[2] = {0, 0}, found = 0;

	memset(opt, 0, sizeof(*opt));
	sched_getaffinity(0, sizeof(set), &set);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[found++] = cpu;
	opt->program = "test";
	for (uint32_t i = 0; i < n; i++)
		opt->lcores[i] = cpus[i % found];
	opt->nlcores = n;
	opt->memory_mb = 256;
}

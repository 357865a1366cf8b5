/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's configuration: plain values out of YAML by one table of keys (config_keys.c),
 * checked against one another (config_check.c). Knows no EAL and starts nothing; plan.c turns it
 * into what the engine wants. Control thread, before start.
 */
#ifndef MR_CONFIG_H
#define MR_CONFIG_H

#include <stdio.h>

#include "bounds.h"
#include "conf.h"

#define CONFIG_ADDRESSES_MAX	64u
#define CONFIG_LISTENERS_MAX	256u

/* An address with the length of its network; family 0: any address (length 0), or not set. */
struct config_net {
	uint8_t family;		/* 4, 6 or 0 */
	uint8_t len;
	uint8_t addr[16];	/* network order, IPv4 in the first four */
};

struct config_port {
	char *vdev;		/* EAL's --vdev argument: "net_tap0,iface=mill0" */
	char *pci;		/* or a PCI address: "0000:03:00.0" */
	char *profile;
	uint64_t queues, rx_desc, tx_desc, mtu;
	uint8_t mac[6];
};

struct config_address {
	struct config_net net;
	uint64_t port, vlan, vlan_outer, count;
};

struct config_gateway {
	struct config_net net;
	uint64_t port;
};

struct config_workers {
	uint64_t count;
	uint32_t lcore[MR_WORKERS_MAX];
	uint32_t nlcores;
	uint32_t idle;		/* enum engine_idle */
	uint64_t idle_max_us;
};

struct config_memory {
	bool hugepages;
	uint64_t mbufs, ctl_mbufs, mbufs_reserve;
};

struct config_capacity {
	uint64_t connections4, connections6, time_wait4, time_wait6;
	uint64_t extensions, options, neighbours;
	uint64_t reassemblies, reassembly_ms;
};

struct config_ip {
	uint64_t ttl, dscp;
};

struct config_tcp {
	uint64_t msl_ms, rto_initial_ms, rto_min_ms, rto_max_ms, fin_wait_2_ms, delack_ms;
	uint64_t keepalive_idle_ms, keepalive_interval_ms, keepalive_probes;
	uint64_t user_timeout_ms;
	uint64_t syn_retries, synack_retries, data_retries, orphan_retries, orphans_max;
	uint64_t challenge_per_s;
	uint64_t initial_window, snd_buf, rcv_buf, rcv_buf_max, mss4, mss6;
	uint64_t rst_per_s, icmp_per_s;
	uint32_t congestion;	/* enum cc_algorithm_id */
	uint64_t ecn;		/* enum tcp_ecn_mode */
	uint64_t fastopen;	/* enum tcp_fastopen_role */
	uint64_t fastopen_pending;
	uint32_t syncookies;	/* enum stack_syncookies */
	bool timestamps, sack, mtu_probing, window_scaling, nodelay, pacing, rfc1337, drop_synfin;
	bool fast_path;
};

/* Inclusive. */
struct config_port_range {
	uint16_t first, last;
};

struct config_http {
	char *root;
	uint64_t header_ms, header_max, root_max, bytes_max;
};

struct config_listener {
	char *name;		/* NULL: handler and port */
	struct config_net net;
	struct config_port_range ports;
	uint32_t handler;	/* index in config_handler_names */
	uint64_t backlog, open_max;
	uint64_t idle_ms, first_octet_ms, write_stall_ms;
	char *text;		/* line */
	struct config_http http;
};

struct config {
	struct config_port port[MR_PORTS_MAX];
	struct config_address address[CONFIG_ADDRESSES_MAX];
	struct config_gateway gateway[2 * MR_PORTS_MAX];
	struct config_listener listener[CONFIG_LISTENERS_MAX];
	uint32_t nports, naddresses, ngateways, nlisteners;
	struct config_workers workers;
	struct config_memory memory;
	struct config_capacity capacity;
	struct config_ip ip;
	struct config_tcp tcp;
	char *socket;
	char *profile_dir;
	uint64_t drain_ms;
};

/** The table of keys. */
extern const struct conf_key config_keys[];
/** Names of handlers, as `handler:` takes them; NULL-terminated. */
extern const char *const config_handler_names[];
/** What is used without a file: a tap interface. */
extern const char config_default_text[];

/**
 * Loads and checks a file (NULL: the embedded default). 0, or -1 with *err. Allocates *out; free it
 * with config_free(), after a failure too (it may be NULL).
 */
int config_load(const char *path, struct config **out, struct conf_error *err);
/** As config_load() from text; `name` stands for the file in errors. */
int config_load_text(const char *name, const char *text, size_t len, struct config **out,
		     struct conf_error *err);
void config_free(struct config *cfg);
/** The effective configuration, as YAML that loads back to the same values. */
void config_print(FILE *f, const struct config *cfg);

/** Values that contradict one another: 0, or -1 with the path of the key and what was expected. */
struct config_conflict {
	char path[80];
	char expected[176];
};
int config_check(const struct config *cfg, struct config_conflict *conflict);

/** open_max of listener i: as given, or for 0 its share of what the tables have room for. */
uint32_t config_open_max(const struct config *cfg, uint32_t i);

/** A PCI address as ethdev names it: "03:00.0" becomes "0000:03:00.0". False: it is none. */
bool config_pci_name(const char *text, char name[16]);
/** Do two vdevs (NULL: none) make a tap interface of the same name? */
bool config_same_tap(const char *vdev_a, const char *vdev_b);

/** Where the key of a path ("listeners[2].ports") stands in a text, and its scalar value. */
struct config_mark {
	unsigned int line, column;
	char value[80];
};
/** The nearest key above it when it is not given. False: the text does not parse. */
bool config_find_mark(const char *text, size_t len, const char *path, struct config_mark *mark);

/* Scalars with a syntax of their own (config_text.c), as conf_key.parse and .print. */
const char *config_parse_net(void *field, const char *text);
const char *config_parse_host(void *field, const char *text);
const char *config_parse_listen(void *field, const char *text);
void config_print_net(FILE *f, const void *field);
void config_print_host(FILE *f, const void *field);
void config_print_listen(FILE *f, const void *field);
const char *config_parse_mac(void *field, const char *text);
void config_print_mac(FILE *f, const void *field);
const char *config_parse_ports(void *field, const char *text);
void config_print_ports(FILE *f, const void *field);
const char *config_parse_lcore(void *field, const char *text);
void config_print_lcore(FILE *f, const void *field);

/** True when `addr` lies in the network. */
bool config_net_holds(const struct config_net *net, const struct config_net *addr);

#endif /* MR_CONFIG_H */

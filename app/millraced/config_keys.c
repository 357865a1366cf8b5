/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of the daemon's keys: one line of name, type, range, unit, default and help each. It is
 * the only description of the configuration: loading, --print-config and --help-config read it.
 */
#include "config.h"

#define END {.name = NULL}

/* A number within lo..hi. */
#define NUM(key, strct, field, lo, hi, u, d, h) \
	{.name = key, .type = CONF_UINT, .offset = offsetof(strct, field), .min = lo, .max = hi, \
	 .unit = u, .def = d, .help = h}
#define FLAG(key, strct, field, d, h) \
	{.name = key, .type = CONF_BOOL, .offset = offsetof(strct, field), .def = d, .help = h}
/* Text of lo..hi octets. */
#define TEXT(key, strct, field, lo, hi, d, h) \
	{.name = key, .type = CONF_STRING, .offset = offsetof(strct, field), .min = lo, .max = hi, \
	 .def = d, .help = h}
#define ENUM(key, strct, field, n, d, h) \
	{ \
		.name = key, .type = CONF_ENUM, .offset = offsetof(strct, field), .names = n, \
		.def = d, .help = h \
	}
/* A scalar with a syntax of its own: config_parse_<syntax>, config_print_<syntax>. */
#define OWN(key, strct, field, syntax, u, d, h) \
	{ \
		.name = key, .type = CONF_CUSTOM, .offset = offsetof(strct, field), \
		.parse = config_parse_##syntax, .print = config_print_##syntax, .unit = u, \
		.def = d, .help = h \
	}
#define MAP(key, strct, field, k, h) \
	{.name = key, .type = CONF_MAP, .offset = offsetof(strct, field), .keys = k, .help = h}
#define LIST(key, strct, field, n, lo, hi, k, d, h) \
	{ \
		.name = key, .type = CONF_LIST, .offset = offsetof(strct, field), .min = lo, \
		.max = hi, .keys = k, .item_size = sizeof(((strct *)0)->field[0]), \
		.count_offset = offsetof(strct, n), .def = d, .help = h \
	}

#define TIMEOUT_MAX MR_USER_TIMEOUT_MAX_MS

const char *const config_handler_names[] = {"close", "discard", "echo", "http",
					    "line",  "source",	NULL};
static const char *const syncookies_names[] = {"off", "on", "always", NULL};
static const char *const idle_names[] = {"spin", "pause", "sleep", NULL};
static const char *const congestion_names[] = {"cubic", "newreno", "none", NULL};

static const struct conf_key port_keys[] = {
	TEXT("vdev", struct config_port, vdev, 1, 255, "",
	     "a virtual device as EAL takes it: net_tap0,iface=mill0; or give pci"),
	TEXT("pci", struct config_port, pci, 7, 31, "",
	     "the PCI address of a NIC bound to vfio-pci: 0000:03:00.0, or 03:00.0; or give vdev"),
	TEXT("profile", struct config_port, profile, 1, 63, "",
	     "driver profile to use instead of the one found by the driver's name "
	     "(drivers-config/)"),
	NUM("queues", struct config_port, queues, 0, MR_QUEUES_MAX, "queues", "0",
	    "0: one per worker"),
	NUM("rx_descriptors", struct config_port, rx_desc, 0, 32768, "descriptors", "0",
	    "receive ring of each queue; 0: the profile's"),
	NUM("tx_descriptors", struct config_port, tx_desc, 0, 32768, "descriptors", "0",
	    "transmit ring of each queue; 0: the profile's"),
	NUM("mtu", struct config_port, mtu, 1280, 9216, "octets", "1500",
	    "IP octets of a frame (RFC 8200 5 wants at least 1280)"),
	OWN("mac", struct config_port, mac, mac, "MAC address", "",
	    "default: the port's own, or a locally administered one where the profile says so"),
	END,
};

static const struct conf_key address_keys[] = {
	OWN("address", struct config_address, net, net, "address/length", NULL,
	    "an address of ours and the length of its on-link network"),
	NUM("port", struct config_address, port, 0, MR_PORTS_MAX - 1, "", "0", "index in ports"),
	NUM("vlan", struct config_address, vlan, 0, 4094, "", "0",
	    "VLAN id (IEEE 802.1Q); 0: untagged"),
	NUM("vlan_outer", struct config_address, vlan_outer, 0, 4094, "", "0",
	    "outer VLAN id of two tags; 0: none"),
	NUM("count", struct config_address, count, 1, MR_LADDR_MAX, "addresses", "1",
	    "so many consecutive addresses from this one"),
	END,
};

static const struct conf_key gateway_keys[] = {
	OWN("address", struct config_gateway, net, host, "address", NULL,
	    "next hop for all that is not on-link, one per family and port"),
	NUM("port", struct config_gateway, port, 0, MR_PORTS_MAX - 1, "", "0", "index in ports"),
	END,
};

static const struct conf_key workers_keys[] = {
	NUM("count", struct config_workers, count, 1, MR_WORKERS_MAX, "workers", "1",
	    "one per lcore"),
	{.name = "lcores",
	 .type = CONF_LIST,
	 .offset = offsetof(struct config_workers, lcore),
	 .min = 0,
	 .max = MR_WORKERS_MAX,
	 .parse = config_parse_lcore,
	 .print = config_print_lcore,
	 .item_size = sizeof(uint32_t),
	 .count_offset = offsetof(struct config_workers, nlcores),
	 .unit = "CPU numbers",
	 .def = "[]",
	 .help = "CPUs to run on, one per worker; default: the first ones this process may use"},
	ENUM("idle", struct config_workers, idle, idle_names, "sleep",
	     "when there is nothing to do: spin (dedicated cores), pause, or sleep (shared cores)"),
	NUM("idle_max", struct config_workers, idle_max_us, 1, 10000, "us", "100",
	    "longest sleep of an idle worker"),
	END,
};

static const struct conf_key memory_keys[] = {
	FLAG("hugepages", struct config_memory, hugepages, "true",
	     "use 2 MB hugepages if they are free"),
	NUM("mbufs", struct config_memory, mbufs, 0, 1u << 26, "mbufs", "0",
	    "packet buffers per worker; 0: computed from queues and connections"),
	NUM("control_mbufs", struct config_memory, ctl_mbufs, 0, 1u << 26, "mbufs", "0",
	    "buffers for headers per worker; 0: computed"),
	NUM("mbufs_reserve", struct config_memory, mbufs_reserve, 64, 1u << 20, "mbufs", "1024",
	    "SYNs are shed while fewer are free"),
	END,
};

static const struct conf_key capacity_keys[] = {
	NUM("connections4", struct config_capacity, connections4, 0, MR_RECORDS_MAX - 1, "records",
	    "65536", "IPv4 connections per worker; 0: no IPv4"),
	NUM("connections6", struct config_capacity, connections6, 0, MR_RECORDS_MAX - 1, "records",
	    "65536", "IPv6 connections per worker; 0: no IPv6"),
	NUM("time_wait4", struct config_capacity, time_wait4, 0, MR_RECORDS_MAX - 1, "records",
	    "262144", "IPv4 connections in TIME_WAIT per worker; the oldest gives way when full"),
	NUM("time_wait6", struct config_capacity, time_wait6, 0, MR_RECORDS_MAX - 1, "records",
	    "65536", "IPv6 connections in TIME_WAIT per worker"),
	NUM("extensions", struct config_capacity, extensions, 64, MR_EXT_MAX, "records", "32768",
	    "connections per worker that carry data at the same time"),
	NUM("options", struct config_capacity, options, 0, 65535, "records", "1024",
	    "connections per worker whose handler has set options of theirs"),
	NUM("neighbours", struct config_capacity, neighbours, 16, MR_NEXTHOP_MAX, "entries", "1024",
	    "neighbours on the links, of both families"),
	NUM("reassemblies", struct config_capacity, reassemblies, 0, 65536, "datagrams", "256",
	    "of which a worker keeps fragments, of at most 8 each; 0: fragments are dropped"),
	NUM("reassembly_timeout", struct config_capacity, reassembly_ms, 1000, 120000, "ms",
	    "60000", "how long fragments wait for the rest (RFC 1122 3.3.2, RFC 8200 4.5)"),
	END,
};

static const struct conf_key ip_keys[] = {
	NUM("ttl", struct config_ip, ttl, 1, 255, "", "64",
	    "TTL and hop limit of TCP packets (RFC 9293 3.9.2)"),
	NUM("dscp", struct config_ip, dscp, 0, 63, "", "0",
	    "of TCP packets, both families (RFC 2474, RFC 9293 3.9.2)"),
	END,
};

static const struct conf_key tcp_keys[] = {
	NUM("msl", struct config_tcp, msl_ms, 64, 240000, "ms", "30000",
	    "maximum segment lifetime; TIME_WAIT lasts twice that (RFC 9293 3.4.2)"),
	NUM("rto_initial", struct config_tcp, rto_initial_ms, 10, 60000, "ms", "1000",
	    "RFC 6298 2.1"),
	NUM("rto_min", struct config_tcp, rto_min_ms, 10, 60000, "ms", "200",
	    "RFC 6298 2.4 says 1000; 200 as all stacks do today"),
	NUM("rto_max", struct config_tcp, rto_max_ms, 1000, 600000, "ms", "120000", "RFC 6298 2.5"),
	NUM("fin_wait_2", struct config_tcp, fin_wait_2_ms, 64, TIMEOUT_MAX, "ms", "60000",
	    "how long a closed connection waits for the peer's FIN (RFC 9293 3.6 leaves it open)"),
	NUM("delayed_ack", struct config_tcp, delack_ms, 0, 499, "ms", "40",
	    "must be below 500 (RFC 9293 3.8.6.3); 0: every segment is acknowledged at once"),
	NUM("user_timeout", struct config_tcp, user_timeout_ms, 0, 86400000, "ms", "0",
	    "data may stay unacknowledged so long, in place of data_retries; 0: retries decide "
	    "(RFC 9293 3.9.1, RFC 5482)"),
	NUM("keepalive_idle", struct config_tcp, keepalive_idle_ms, 0, 7200000, "ms", "0",
	    "silence after which the peer is probed; 0: never (RFC 9293 3.8.4)"),
	NUM("keepalive_interval", struct config_tcp, keepalive_interval_ms, 1000, 600000, "ms",
	    "75000", "between probes (RFC 9293 3.8.4)"),
	NUM("keepalive_probes", struct config_tcp, keepalive_probes, 1, MR_RETRIES_MAX, "probes",
	    "9", "unanswered ones that end the connection (RFC 9293 3.8.4)"),
	NUM("syn_retries", struct config_tcp, syn_retries, 0, MR_RETRIES_MAX, "", "6",
	    "of SYN: 6 end after 127 s, as in Linux; 7 keep the 3 minutes of RFC 9293 3.8.3"),
	NUM("synack_retries", struct config_tcp, synack_retries, 0, MR_RETRIES_MAX, "", "5",
	    "of SYN-ACK (RFC 9293 3.8.3)"),
	NUM("data_retries", struct config_tcp, data_retries, 1, MR_RETRIES_MAX, "", "15",
	    "of data and FIN: R2 (RFC 9293 3.8.3)"),
	NUM("orphan_retries", struct config_tcp, orphan_retries, 1, MR_RETRIES_MAX, "", "8",
	    "the same once the handler has closed (as Linux; 3.8.3: not less than 100 s)"),
	NUM("orphans_max", struct config_tcp, orphans_max, 0, MR_RECORDS_MAX - 1, "connections",
	    "0", "closing ones per worker, beyond which none that its handler closed is waited "
	    "for: it ends at its next timer; 0: half of capacity.connections4 and 6"),
	NUM("initial_window", struct config_tcp, initial_window, 1, 100, "segments", "10",
	    "RFC 6928"),
	ENUM("congestion", struct config_tcp, congestion, congestion_names, "cubic",
	     "control of what is sent: cubic (RFC 9438), newreno (RFC 5681), or none, where nobody "
	     "else uses the path and nothing is lost"),
	NUM("ecn", struct config_tcp, ecn, 0, 2, "", "2",
	    "RFC 3168: 0 never, 1 asked for and accepted, 2 accepted when the peer asks"),
	NUM("fastopen", struct config_tcp, fastopen, 0, 3, "", "0",
	    "RFC 7413: 1 active opens with data, 2 listeners, 3 both, 0 neither; a request may "
	    "then reach a handler twice"),
	NUM("fastopen_pending", struct config_tcp, fastopen_pending, 0, 65535, "connections",
	    "256", "opened by data of their SYN and in SYN_RCVD, per listener and worker; beyond, "
	    "and with 0, Fast Open is refused (RFC 7413 5.1)"),
	NUM("send_buffer", struct config_tcp, snd_buf, 4096, 1u << 30, "octets", "262144",
	    "a connection may have queued"),
	NUM("receive_buffer", struct config_tcp, rcv_buf, 4096, 1u << 30, "octets", "65536",
	    "receive window of a connection at first (RFC 9293 3.8.6)"),
	NUM("recv_window_max", struct config_tcp, rcv_buf_max, 0, 1u << 30, "octets", "4194304",
	    "the window grows up to this with what the handler reads in a round trip; not above "
	    "receive_buffer: never (RFC 7323 2)"),
	NUM("mss4", struct config_tcp, mss4, 0, 9176, "octets", "0",
	    "0: MTU - 40 (RFC 9293 3.7.1)"),
	NUM("mss6", struct config_tcp, mss6, 0, 9156, "octets", "0",
	    "0: MTU - 60 (RFC 9293 3.7.1)"),
	ENUM("syncookies", struct config_tcp, syncookies, syncookies_names, "on",
	     "answer SYNs without memory (RFC 4987 3.6): off; on: when the backlog or the table is "
	     "full, or few mbufs are left; always; peers without timestamps lose window scale and "
	     "SACK by it"),
	NUM("challenge_per_s", struct config_tcp, challenge_per_s, 0, 100000000, "segments/s",
	    "1000", "challenge ACKs per worker, the limit of each second drawn between 1/2 and 3/2 "
	    "of it; a connection gets three at most (RFC 5961 7); 0: none"),
	NUM("rst_per_s", struct config_tcp, rst_per_s, 0, 100000000, "segments/s", "100000",
	    "RSTs to segments for no connection, per worker; 0: no limit"),
	NUM("icmp_per_s", struct config_tcp, icmp_per_s, 0, 100000000, "packets/s", "1000",
	    "ICMP answers per worker (RFC 4443 2.4); 0: no limit"),
	FLAG("timestamps", struct config_tcp, timestamps, "true",
	     "offer and accept them (RFC 7323 3)"),
	FLAG("sack", struct config_tcp, sack, "true",
	     "offer and accept selective acknowledgments (RFC 2018 2)"),
	FLAG("window_scaling", struct config_tcp, window_scaling, "true",
	     "offer and accept it (RFC 7323 2)"),
	FLAG("mtu_probing", struct config_tcp, mtu_probing, "true",
	     "send smaller segments where large ones vanish without an ICMP error (RFC 4821)"),
	FLAG("pacing", struct config_tcp, pacing, "false",
	     "data leaves over the round trip instead of in bursts (RFC 9002 7.7), to peers with "
	     "SACK: for paths with short queues"),
	FLAG("nodelay", struct config_tcp, nodelay, "true",
	     "switch Nagle's algorithm off (RFC 9293 3.7.4)"),
	FLAG("rfc1337", struct config_tcp, rfc1337, "true", "ignore RST in TIME_WAIT (RFC 1337)"),
	FLAG("drop_synfin", struct config_tcp, drop_synfin, "true",
	     "a SYN with FIN opens nothing; false: its FIN is ignored (RFC 9293 3.10.7.2)"),
	FLAG("fast_path", struct config_tcp, fast_path, "true",
	     "false: every segment takes the long way; for proofs"),
	END,
};

static const struct conf_key http_keys[] = {
	NUM("header", struct config_http, header_ms, 0, TIMEOUT_MAX, "ms", "10000",
	    "from the first octet of a request to its last; 0: no limit"),
	NUM("header_max", struct config_http, header_max, 256, 65536, "octets", "16384",
	    "of request line and header fields; more is answered by 431 (RFC 6585 5)"),
	TEXT("root", struct config_http, root, 1, 1023, "", "directory of files, read at start"),
	NUM("root_max", struct config_http, root_max, 1, 1ull << 40, "octets", "67108864",
	    "all files together; more stops the start"),
	NUM("bytes_max", struct config_http, bytes_max, 0, 1000000000000000ull, "octets",
	    "1000000000000", "largest N of /bytes/N"),
	END,
};

static const struct conf_key listener_keys[] = {
	TEXT("name", struct config_listener, name, 1, 31, "",
	     "in counters; default: handler and port"),
	OWN("address", struct config_listener, net, listen, "any, address or prefix", "any",
	    "which of our addresses: all of both families, one, or those in a prefix; of several "
	    "listeners on a port the longest prefix has the connection"),
	OWN("ports", struct config_listener, ports, ports, "port or first-last", NULL, "TCP ports"),
	ENUM("handler", struct config_listener, handler, config_handler_names, NULL,
	     "what answers; see the handlers below"),
	NUM("backlog", struct config_listener, backlog, 1, 1u << 30, "connections", "16384",
	    "in SYN_RCVD at most, per worker"),
	NUM("open_max", struct config_listener, open_max, 0, 1u << 28, "connections", "0",
	    "open ones per worker (close: no limit); 0: its share of what capacity has room for; "
	    "when reached http gives up the one that waits longest, others refuse"),
	NUM("idle", struct config_listener, idle_ms, 0, TIMEOUT_MAX, "ms", "300000",
	    "no octet either way for so long: closed; 0: no limit"),
	NUM("first_octet", struct config_listener, first_octet_ms, 0, TIMEOUT_MAX, "ms", "60000",
	    "a peer that is to speak first (discard, echo, http) must within this; 0: no limit"),
	NUM("write_stall", struct config_listener, write_stall_ms, 0, TIMEOUT_MAX, "ms", "60000",
	    "the peer acknowledges nothing of what waits for it: aborted; 0: no limit"),
	TEXT("text", struct config_listener, text, 1, 1023, "",
	     "line: what it says, without a line end: the handler ends it with CRLF"),
	MAP("http", struct config_listener, http, http_keys, "options of the handler http"),
	END,
};

const struct conf_key config_keys[] = {
	LIST("ports", struct config, port, nports, 1, MR_PORTS_MAX, port_keys, NULL,
	     "network ports"),
	LIST("addresses", struct config, address, naddresses, 1, CONFIG_ADDRESSES_MAX, address_keys,
	     NULL, "addresses of ours"),
	LIST("gateways", struct config, gateway, ngateways, 0, 2 * MR_PORTS_MAX, gateway_keys, "[]",
	     "next hops"),
	LIST("listeners", struct config, listener, nlisteners, 0, CONFIG_LISTENERS_MAX,
	     listener_keys, "[]", "who answers where"),
	MAP("workers", struct config, workers, workers_keys, "poll loops"),
	MAP("memory", struct config, memory, memory_keys, "packet buffers"),
	MAP("capacity", struct config, capacity, capacity_keys, "sizes of tables, fixed at start"),
	MAP("ip", struct config, ip, ip_keys, "headers of what is sent"),
	MAP("tcp", struct config, tcp, tcp_keys, "parameters of the protocol"),
	TEXT("socket", struct config, socket, 1, 107, "/run/millrace/millraced.sock",
	     "Unix socket that millctl asks"),
	TEXT("profile_dir", struct config, profile_dir, 1, 255, "",
	     "drivers-config of another place; default: the profiles built in"),
	NUM("drain", struct config, drain_ms, 0, 3600000, "ms", "5000",
	    "after SIGTERM open connections may take so long to close"),
	END,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's configuration: what is loaded, and what is printed and read back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "config.h"

static const char everything[] =
	"ports:\n"
	"  - {vdev: \"net_tap0,iface=mill0\", queues: 2, mtu: 9000, mac: 02:00:00:00:00:0a}\n"
	"  - {pci: 0000:03:00.0, profile: net_ixgbe, rx_descriptors: 1024, tx_descriptors: 2048}\n"
	"addresses:\n"
	"  - {address: 10.1.0.2/16, count: 300, vlan: 7, vlan_outer: 8}\n"
	"  - {address: \"fd00::2/64\", port: 1}\n"
	"gateways:\n"
	"  - {address: 10.1.255.254}\n"
	"  - {address: \"fd00::1\", port: 1}\n"
	"workers: {count: 2, lcores: [3, 5], idle: spin, idle_max: 7}\n"
	"memory: {hugepages: no, mbufs: 64Ki, control_mbufs: 32Ki, mbufs_reserve: 2k}\n"
	"capacity: {connections4: 8M, connections6: 0x100, time_wait4: 1, time_wait6: 2, "
	"extensions: 64}\n"
	"tcp: {msl: 5000, receive_buffer: 1Mi, timestamps: off, mss4: 1000, keepalive_probes: 3, "
	"orphan_retries: 5, syncookies: always}\n"
	"socket: /tmp/x.sock\n"
	"profile_dir: /etc/millrace\n"
	"drain: 100\n"
	"listeners:\n"
	"  - name: web\n"
	"    address: 10.1.0.0/16\n"
	"    ports: 8000-8010\n"
	"    handler: http\n"
	"    idle: 1000\n"
	"    http: {root: /srv, header: 500, header_max: 1Ki}\n"
	"  - {address: any, ports: 13, handler: line, text: \"with \\\"quotes\\\" \\t\"}\n"
	"  - {address: \"fd00::2\", ports: 7, handler: echo, open_max: 5, backlog: 6}\n";

static struct config *load(const char *text)
{
	struct config *cfg = NULL;
	struct conf_error err;

	cr_assert_eq(config_load_text("test", text, strlen(text), &cfg, &err), 0, "%s", err.text);
	return cfg;
}

static char *print(const struct config *cfg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	config_print(f, cfg);
	fclose(f);
	return text;
}

Test(config, every_kind_of_value)
{
	struct config *cfg = load(everything);
	const struct config_listener *web = &cfg->listener[0];

	cr_assert_eq(cfg->nports, 2);
	cr_assert_eq(cfg->port[0].mac[5], 10);
	cr_assert_str_eq(cfg->port[1].pci, "0000:03:00.0");
	cr_assert_eq(cfg->address[0].net.family, 4);
	cr_assert_eq(cfg->address[0].net.len, 16);
	cr_assert_eq(cfg->address[0].count, 300);
	cr_assert_eq(cfg->address[1].net.addr[15], 2);
	cr_assert_eq(cfg->workers.lcore[1], 5);
	cr_assert_eq(cfg->workers.idle, 0);
	cr_assert_eq(cfg->memory.mbufs, 65536);
	cr_assert_eq(cfg->capacity.connections4, 8000000);
	cr_assert_eq(cfg->capacity.connections6, 256);
	cr_assert_eq(cfg->tcp.orphan_retries, 5);
	cr_assert_eq(cfg->tcp.syncookies, 2);	/* always */
	cr_assert(!cfg->tcp.timestamps && cfg->tcp.window_scaling);
	cr_assert_eq(web->ports.first, 8000);
	cr_assert_eq(web->ports.last, 8010);
	cr_assert_eq(web->net.len, 16);
	cr_assert_str_eq(config_handler_names[web->handler], "http");
	cr_assert_str_eq(web->http.root, "/srv");
	cr_assert_eq(web->http.header_max, 1024);
	cr_assert_eq(web->write_stall_ms, 60000);
	cr_assert_eq(cfg->listener[1].net.family, 0);
	cr_assert_str_eq(cfg->listener[1].text, "with \"quotes\" \t");
	config_free(cfg);
}

Test(config, what_is_printed_loads_to_the_same)
{
	const char *const texts[] = {everything, config_default_text};

	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		struct config *cfg = load(texts[i]), *again;
		char *first = print(cfg), *second;

		again = load(first);
		second = print(again);
		cr_assert_str_eq(second, first);
		free(first);
		free(second);
		config_free(cfg);
		config_free(again);
	}
}

Test(config, the_built_in_one_is_good)
{
	struct config *cfg = NULL;
	struct conf_error err;

	cr_assert_eq(config_load(NULL, &cfg, &err), 0, "%s", err.text);
	cr_assert_str_eq(cfg->port[0].vdev, "net_tap0,iface=mill0");
	cr_assert_eq(cfg->nlisteners, 5);
	cr_assert_str_eq(cfg->socket, "/run/millrace/millraced.sock");
	config_free(cfg);
}

Test(config, a_file_that_is_not_there)
{
	struct config *cfg = NULL;
	struct conf_error err;

	cr_assert_eq(config_load("/nonexistent.yaml", &cfg, &err), -1);
	cr_assert_str_eq(err.text, "/nonexistent.yaml: cannot be read: No such file or directory");
	config_free(cfg);
	cr_assert_eq(config_load("/tmp", &cfg, &err), -1);
	config_free(cfg);
}

Test(config, open_max_is_a_share_of_the_smallest_table)
{
	struct config *cfg = load(config_default_text);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cfg->nlisteners; i++)
		sum += config_open_max(cfg, i);
	cr_assert_leq(sum, cfg->capacity.extensions - cfg->capacity.extensions / 8);
	cr_assert_gt(sum, cfg->capacity.extensions / 4 * 3);
	config_free(cfg);
	cfg = load(everything); /* the smallest table has 64 entries: 56 */
	cr_assert_eq(config_open_max(cfg, 2), 5);
	cr_assert_eq(config_open_max(cfg, 0), (56 - 5) / 2);
	config_free(cfg);
}

Test(config, pci_addresses_are_named_as_ethdev_names_them)
{
	char name[16];

	cr_assert(config_pci_name("03:00.0", name));
	cr_assert_str_eq(name, "0000:03:00.0");
	cr_assert(config_pci_name("0001:AF:1f.7", name));
	cr_assert_str_eq(name, "0001:af:1f.7");
	cr_assert(!config_pci_name("3:0", name));
	cr_assert(!config_pci_name("0000:03:00.8", name));
	cr_assert(!config_pci_name("mlx5_0", name));
}

Test(config, networks_hold_their_addresses)
{
	static const struct {
		const char *net, *addr;
		bool holds;
	} table[] = {
		{"10.0.0.0/8", "10.255.0.1", true},    {"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.129/25", "10.0.0.200", true}, {"10.0.0.129/25", "10.0.0.127", false},
		{"0.0.0.0/0", "1.2.3.4", true},	       {"0.0.0.0/0", "::1", false},
		{"fd00::/127", "fd00::1", true},       {"fd00::/127", "fd00::2", false},
		{"fd00::1/128", "fd00::1", true},      {"10.0.0.1/32", "10.0.0.1", true},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(table); i++) {
		struct config_net net, addr;

		cr_assert_null(config_parse_net(&net, table[i].net));
		cr_assert_null(config_parse_host(&addr, table[i].addr));
		cr_assert_eq(config_net_holds(&net, &addr), table[i].holds, "%s %s", table[i].net,
			     table[i].addr);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every way in which a configuration can be wrong, and what is said about it: file, line, key,
 * value and what was expected.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "config.h"

/* Lines 1 to 3 of most cases; what is wrong follows in line 4. */
#define GOOD_PORTS	"ports: [{vdev: net_tap0}]\n"
#define GOOD_ADDRESSES	"addresses:\n  - {address: 10.0.0.2/24}\n"
#define GOOD		GOOD_PORTS GOOD_ADDRESSES

struct wrong {
	const char *text;
	const char *error;	/* the beginning of it */
};

static void expect(const struct wrong *wrong, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct config *cfg = NULL;
		struct conf_error err;
		int rc = config_load_text("c.yaml", wrong[i].text, strlen(wrong[i].text), &cfg,
					  &err);

		cr_assert_eq(rc, -1, "accepted: %s", wrong[i].text);
		cr_expect_eq(strncmp(err.text, wrong[i].error, strlen(wrong[i].error)), 0,
			     "of\n%s\n  said:     %s\n  expected: %s", wrong[i].text, err.text,
			     wrong[i].error);
		config_free(cfg);
	}
}

#define EXPECT(...) \
	do { \
		static const struct wrong wrong[] = {__VA_ARGS__}; \
		expect(wrong, MR_ARRAY_LEN(wrong)); \
	} while (0)

Test(config_errors, keys_and_types)
{
	EXPECT({"", "c.yaml:1:1: key 'ports': missing"},
	       {"ports: []\n" GOOD_ADDRESSES, "c.yaml:1:8: key 'ports': expected at least 1"},
	       {GOOD "lisners: []\n",
		"c.yaml:4:1: key 'lisners': unknown; did you mean 'listeners'?"},
	       {GOOD "drain: 1\ndrain: 2\n",
		"c.yaml:5:1: key 'drain': given twice, first in line 4"},
	       {GOOD "drain: 5s\n", "c.yaml:4:8: key 'drain' = '5s': expected a whole number"},
	       {GOOD "drain: -1\n", "c.yaml:4:8: key 'drain' = '-1': expected a whole number"},
	       {GOOD "drain: 3600001\n",
		"c.yaml:4:8: key 'drain' = '3600001': expected 0 .. 3600000 ms"},
	       {GOOD "drain: [1]\n",
		"c.yaml:4:8: key 'drain' = '(a list)': expected a single value"},
	       {GOOD "tcp: {timestamps: maybe}\n",
		"c.yaml:4:19: key 'tcp.timestamps' = 'maybe': expected true or false"},
	       {GOOD "tcp: {delayed_ack: 500}\n",
		"c.yaml:4:20: key 'tcp.delayed_ack' = '500': expected 0 .. 499 ms"},
	       {GOOD "workers: {idle: slep}\n",
		"c.yaml:4:17: key 'workers.idle' = 'slep': expected one of spin, pause, sleep"},
	       {GOOD "workers: {lcores: [a]}\n",
		"c.yaml:4:20: key 'workers.lcores[0]' = 'a': expected the number of a CPU"},
	       {GOOD "socket: ''\n",
		"c.yaml:4:9: key 'socket' = '': expected text of 1 .. 107 octets"},
	       {"ports: [\n", "c.yaml:2:1: not YAML"});
}

Test(config_errors, addresses)
{
	EXPECT({GOOD_PORTS "addresses:\n  - {address: 10.0.0.2}\n",
		"c.yaml:3:15: key 'addresses[0].address' = '10.0.0.2': expected address/length"},
	       {GOOD_PORTS "addresses:\n  - {address: 10.0.0.2/33}\n", "c.yaml:3:15: "},
	       {GOOD_PORTS "addresses:\n  - {address: 10.0.0.256/24}\n", "c.yaml:3:15: "},
	       {GOOD_PORTS "addresses:\n  - {address: 127.0.0.1/8}\n",
		"c.yaml:3:15: key 'addresses[0].address' = '127.0.0.1/8': expected a unicast "
		"address"},
	       {GOOD_PORTS "addresses:\n  - {address: 224.0.0.1/8}\n", "c.yaml:3:15: "},
	       {GOOD_PORTS "addresses:\n  - {address: \"ff02::1/64\"}\n", "c.yaml:3:15: "},
	       {GOOD_PORTS "addresses:\n  - {address: 10.0.0.2/24, port: 1}\n",
		"c.yaml:3:34: key 'addresses[0].port' = '1': expected an index in ports: 0 .. 0"},
	       {GOOD_PORTS "addresses:\n  - {address: 10.0.0.2/24, count: 255}\n",
		"c.yaml:3:35: key 'addresses[0].count' = '255': expected no more than fit"},
	       {GOOD_PORTS "addresses:\n  - {address: \"fd00::ffff:fffe/64\", count: 3}\n",
		"c.yaml:3:44: key 'addresses[0].count' = '3': expected no more than there are "
		"before the last 32 bits"},
	       {GOOD_PORTS "addresses:\n  - {address: 10.0.0.2/24, vlan_outer: 9}\n",
		"c.yaml:3:40: key 'addresses[0].vlan_outer' = '9': expected an inner vlan"},
	       {GOOD_PORTS
		"addresses:\n  - {address: 10.0.0.2/24, count: 10}\n  - {address: 10.0.0.11/24}\n",
		"c.yaml:4:15: key 'addresses[1].address' = '10.0.0.11/24': expected an address "
		"that "
		"addresses[0] does not hold"},
	       {GOOD "capacity: {connections4: 0}\n",
		"c.yaml:3:15: key 'addresses[0].address' = '10.0.0.2/24': expected "
		"capacity.connections4"},
	       {GOOD "gateways: [{address: 10.0.1.1}]\n",
		"c.yaml:4:22: key 'gateways[0].address' = '10.0.1.1': expected an address in the "
		"network"},
	       {GOOD "gateways: [{address: 10.0.0.2}]\n",
		"c.yaml:4:22: key 'gateways[0].address' = '10.0.0.2': expected another than our "
		"own"},
	       {GOOD "gateways: [{address: 10.0.0.1}, {address: 10.0.0.3}]\n",
		"c.yaml:4:43: key 'gateways[1].address' = '10.0.0.3': expected one gateway per "
		"family"},
	       {GOOD "gateways: [{address: 10.0.0.1, port: 3}]\n",
		"c.yaml:4:38: key 'gateways[0].port' = '3'"});
}

Test(config_errors, ports_and_workers)
{
	EXPECT({"ports:\n  - {queues: 1}\n" GOOD_ADDRESSES,
		"c.yaml:2:5: key 'ports[0]': expected either vdev or pci"},
	       {"ports:\n  - {vdev: net_tap0, pci: \"0000:03:00.0\"}\n" GOOD_ADDRESSES,
		"c.yaml:2:5: key 'ports[0]'"},
	       {"ports:\n  - {vdev: net_tap0}\n  - {vdev: \"net_tap0,iface=b\"}\n" GOOD_ADDRESSES,
		"c.yaml:3:12: key 'ports[1].vdev' = 'net_tap0,iface=b': expected another device: "
		"ports[0]"},
	       {"ports: [{vdev: net_tap0, mac: \"01:00:00:00:00:00\"}]\n" GOOD_ADDRESSES,
		"c.yaml:1:31: key 'ports[0].mac' = '01:00:00:00:00:00': expected a unicast MAC"},
	       {"ports: [{vdev: net_tap0, queues: 1}]\n" GOOD_ADDRESSES "workers: {count: 2}\n",
		"c.yaml:1:34: key 'ports[0].queues' = '1': expected at least one for each of the 2 "
		"workers"},
	       {"ports:\n  - {vdev: \"net_tap0,iface=a\"}\n  - {vdev: \"net_tap1,iface=a\"}\n"
		GOOD_ADDRESSES,
		"c.yaml:3:12: key 'ports[1].vdev' = 'net_tap1,iface=a': expected another iface: "
		"ports[0]"},
	       {"ports:\n  - {pci: \"03:00.0\"}\n  - {pci: \"0000:03:00.0\"}\n" GOOD_ADDRESSES,
		"c.yaml:3:11: key 'ports[1].pci' = '0000:03:00.0': expected another device"},
	       {"ports: [{pci: \"03.00.0\"}]\n" GOOD_ADDRESSES,
		"c.yaml:1:15: key 'ports[0].pci' = '03.00.0': expected bus:device.function"},
	       {"ports: [{pci: \"03:00.0x\"}]\n" GOOD_ADDRESSES, "c.yaml:1:15: "},
	       {"ports: [{pci: \"03:20.0\"}]\n" GOOD_ADDRESSES, "c.yaml:1:15: "},
	       {"ports:\n  - {vdev: net_tap0, queues: 64}\n  - {vdev: net_tap1, queues: 1}\n"
		GOOD_ADDRESSES,
		"c.yaml:3:30: key 'ports[1].queues' = '1': expected so few that no worker polls "
		"more than 64"},
	       {GOOD "workers: {count: 3, lcores: [1, 2]}\n",
		"c.yaml:4:21: key 'workers.lcores': expected as many CPUs as workers.count says: "
		"3"},
	       {GOOD "workers: {count: 2, lcores: [1, 1]}\n",
		"c.yaml:4:33: key 'workers.lcores[1]' = '1': expected a CPU that is not listed "
		"twice"});
}

Test(config_errors, tcp)
{
	EXPECT({GOOD "tcp: {rto_min: 2000, rto_max: 1000}\n",
		"c.yaml:4:16: key 'tcp.rto_min' = '2000': expected at most"},
	       {GOOD "tcp: {rto_initial: 100}\n",
		"c.yaml:4:20: key 'tcp.rto_initial' = '100': expected between"},
	       {GOOD "tcp: {window_scaling: off}\n",
		"c.yaml:4:1: key 'tcp.receive_buffer': expected at most 65535 without "
		"tcp.window_scaling"},
	       {GOOD "tcp: {mss4: 1461}\n",
		"c.yaml:4:13: key 'tcp.mss4' = '1461': expected 0, or 536 .. MTU - 40"},
	       {GOOD "tcp: {mss6: 1000}\n", "c.yaml:4:13: key 'tcp.mss6' = '1000'"},
	       {GOOD "memory: {mbufs: 1000}\n", "c.yaml:4:17: key 'memory.mbufs' = '1000': "
						"expected more than memory.mbufs_reserve"},
	       {GOOD "tcp: {data_retries: 16}\n",
		"c.yaml:4:21: key 'tcp.data_retries' = '16': expected 1 .. 15"},
	       {GOOD "tcp: {keepalive_probes: 16}\n",
		"c.yaml:4:25: key 'tcp.keepalive_probes' = '16': expected 1 .. 15"});
}

Test(config_errors, memory_and_capacity)
{
	EXPECT({GOOD "memory: {control_mbufs: 1024}\n",
		"c.yaml:4:25: key 'memory.control_mbufs' = '1024': expected more than "
		"memory.mbufs_reserve"},
	       {GOOD "capacity: {time_wait4: 0}\n",
		"c.yaml:4:24: key 'capacity.time_wait4' = '0': expected at least 1 with "
		"connections4"},
	       {GOOD "capacity: {time_wait6: 0}\n",
		"c.yaml:4:24: key 'capacity.time_wait6' = '0': expected at least 1 with "
		"connections6"},
	       {GOOD "listeners:\n  - {ports: 7, handler: echo, open_max: 28673}\n",
		"c.yaml:5:41: key 'listeners[0].open_max' = '28673': expected at most 28672 for "
		"all listeners"},
	       {GOOD "listeners:\n  - {ports: 7, handler: echo, open_max: 20000}\n"
		     "  - {ports: 80, handler: http, open_max: 9000}\n",
		"c.yaml:5:41: key 'listeners[0].open_max' = '20000': expected at most 28672"},
	       {GOOD "listeners:\n  - {ports: 7, handler: echo, open_max: 28672}\n"
		     "  - {ports: 80, handler: http}\n",
		"c.yaml:5:41: key 'listeners[0].open_max'"},
	       {GOOD "capacity: {connections6: 1000}\n"
		     "listeners:\n  - {ports: 7, handler: echo, open_max: 876}\n",
		"c.yaml:6:41: key 'listeners[0].open_max' = '876': expected at most 875"});
}

Test(config_errors, listeners)
{
	EXPECT({GOOD "listeners:\n  - {ports: 80}\n",
		"c.yaml:5:5: key 'listeners[0].handler': missing"},
	       {GOOD "listeners:\n  - {ports: 80, handler: htpp}\n",
		"c.yaml:5:26: key 'listeners[0].handler' = 'htpp': expected one of close, discard, "
		"echo, http, "
		"line, source; did you mean 'http'?"},
	       {GOOD "listeners:\n  - {ports: 0, handler: echo}\n",
		"c.yaml:5:13: key 'listeners[0].ports' = '0': expected a port 1 .. 65535"},
	       {GOOD "listeners:\n  - {ports: 9-7, handler: echo}\n", "c.yaml:5:13: "},
	       {GOOD "listeners:\n  - {ports: 80x, handler: echo}\n", "c.yaml:5:13: "},
	       {GOOD "listeners:\n  - {ports: 7-65536, handler: echo}\n", "c.yaml:5:13: "},
	       {GOOD "listeners:\n  - {ports: 80, handler: echo, address: 10.0.0.2/24}\n",
		"c.yaml:5:41: key 'listeners[0].address' = '10.0.0.2/24': expected a prefix whose "
		"bits"},
	       {GOOD "listeners:\n  - {ports: 80, handler: echo, address: 10.0.0.3}\n",
		"c.yaml:5:41: key 'listeners[0].address' = '10.0.0.3': expected an address, or a "
		"prefix, of ours"},
	       {GOOD "listeners:\n  - {ports: 80, handler: echo, address: \"fd00::1\"}\n",
		"c.yaml:5:41: "},
	       {GOOD "listeners:\n  - {ports: 80, handler: echo, text: x}\n",
		"c.yaml:5:38: key 'listeners[0].text' = 'x': expected handler line"},
	       {GOOD "listeners:\n  - {ports: 80, handler: echo, http: {root: /srv}}\n",
		"c.yaml:5:32: key 'listeners[0].http': expected handler http"},
	       {GOOD "listeners:\n  - {ports: 80, handler: echo, idle: 1800001}\n",
		"c.yaml:5:38: key 'listeners[0].idle' = '1800001': expected 0 .. 1800000 ms"},
	       {GOOD "listeners:\n  - {name: a, ports: 80, handler: http}\n  - {name: a, ports: 7, "
		     "handler: echo}\n",
		"c.yaml:6:12: key 'listeners[1].name' = 'a': expected a name of its own"});
}

Test(config_errors, ports_of_listeners)
{
	EXPECT({GOOD
		"listeners:\n  - {ports: 80, handler: http}\n  - {ports: 7-90, handler: echo}\n",
		"c.yaml:6:13: key 'listeners[1].ports' = '7-90': expected ports that listeners[0] "
		"does not have"},
	       {GOOD "listeners:\n  - {ports: 80, handler: http}\n"
		     "  - {ports: 80-81, handler: echo}\n",
		"c.yaml:6:13: key 'listeners[1].ports' = '80-81': expected ports that"},
	       {GOOD "listeners:\n  - {ports: 80-81, handler: http}\n"
		     "  - {ports: 81, handler: echo}\n",
		"c.yaml:6:13: key 'listeners[1].ports' = '81': expected ports that listeners[0]"},
	       {"ports: [{vdev: net_tap0}]\naddresses: [{address: 10.0.0.2/24, count: 9}]\n"
		"listeners:\n  - {ports: 80-81, handler: http, address: 10.0.0.3}\n"
		"  - {ports: 80-81, handler: echo, address: 10.0.0.4}\n",
		"c.yaml:5:13: key 'listeners[1].ports' = '80-81': expected other ports than "
		"listeners[0]"},
	       {GOOD "listeners:\n  - {ports: 80, handler: http}\n"
		     "  - {ports: 80-81, handler: echo, address: 10.0.0.2}\n",
		"c.yaml:6:13: key 'listeners[1].ports' = '80-81': expected other ports than"},
	       {GOOD "listeners:\n  - {ports: 80-81, handler: echo, address: 10.0.0.2}\n"
		     "  - {ports: 80, handler: http}\n",
		"c.yaml:6:13: key 'listeners[1].ports' = '80': expected other ports than"});
}

Test(config_errors, what_a_terminal_obeys_is_not_printed)
{
	EXPECT({GOOD "listeners:\n  - {ports: 13, handler: line, text: \"x\\r\\n\"}\n",
		"c.yaml:5:38: key 'listeners[0].text' = 'x?\?': expected one line without a line "
		"end: the handler adds CRLF"},
	       {GOOD "listeners:\n  - {ports: 13, handler: \"l\\e[7mine\"}\n",
		"c.yaml:5:26: key 'listeners[0].handler' = 'l?[7mine': expected one of close"});
}

Test(config_errors, the_same_port_on_other_addresses_is_no_conflict)
{
	static const char text[] = GOOD_PORTS
		"addresses: [{address: 10.0.0.2/24, count: 9}]\n"
		"listeners:\n"
		"  - {ports: 80, handler: http}\n"
		"  - {ports: 80, handler: echo, address: 10.0.0.3}\n"
		"  - {ports: 80, handler: line, address: 10.0.0.8/29}\n"
		"  - {ports: 81, handler: echo, address: 10.0.0.3}\n"
		"  - {ports: 90, handler: echo, address: 10.0.0.3}\n"
		"  - {ports: 85-95, handler: http}\n"
		"  - {ports: 91, handler: echo, address: 10.0.0.4}\n";
	struct config *cfg = NULL;
	struct conf_error err;

	cr_assert_eq(config_load_text("c.yaml", text, sizeof(text) - 1, &cfg, &err), 0, "%s",
		     err.text);
	config_free(cfg);
}

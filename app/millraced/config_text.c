/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, networks, MACs, port ranges and CPU numbers: from text and back. Each parser returns
 * NULL or what was expected; each printer writes what its parser reads back to the same value, or
 * nothing when the field is not set.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* Digits only, no sign, no blanks, at most `max`. */
static bool parse_number(const char *text, size_t len, unsigned long max, unsigned long *out)
{
	char digits[8];

	if (len == 0 || len >= sizeof(digits) || strspn(text, "0123456789") < len)
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	*out = strtoul(digits, NULL, 10);
	return *out <= max;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static bool parse_address(const char *text, size_t len, struct config_net *net)
{
	char buf[INET6_ADDRSTRLEN];

	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	memset(net, 0, sizeof(*net));
	if (inet_pton(AF_INET, buf, net->addr) == 1) {
		net->family = 4;
		net->len = 32;
		return true;
	}
	net->family = 6;
	net->len = 128;
	return inet_pton(AF_INET6, buf, net->addr) == 1;
}

static bool parse_with_length(const char *text, struct config_net *net)
{
	const char *slash = strchr(text, '/');
	unsigned long len;

	if (slash == NULL || !parse_address(text, (size_t)(slash - text), net) ||
	    !parse_number(slash + 1, strlen(slash + 1), net->len, &len))
		return false;
	net->len = (uint8_t)len;
	return true;
}

const char *config_parse_net(void *field, const char *text)
{
	return parse_with_length(text, field) ? NULL
					      : "address/length, as 10.0.0.1/24 or fd00::1/64";
}

const char *config_parse_host(void *field, const char *text)
{
	return parse_address(text, strlen(text), field) ? NULL : "an IPv4 or IPv6 address";
}

static bool host_bits_are_zero(const struct config_net *net)
{
	unsigned int octets = net->family == 4 ? 4 : 16;

	for (unsigned int bit = net->len; bit < octets * 8; bit++) {
		if ((net->addr[bit / 8] & (0x80u >> (bit % 8))) != 0)
			return false;
	}
	return true;
}

const char *config_parse_listen(void *field, const char *text)
{
	struct config_net *net = field;

	if (strcmp(text, "any") == 0) {
		memset(net, 0, sizeof(*net));
		return NULL;
	}
	if (parse_address(text, strlen(text), net))
		return NULL;
	if (!parse_with_length(text, net))
		return "any, an address, or a prefix as 10.1.0.0/16";
	return host_bits_are_zero(net) ? NULL : "a prefix whose bits behind its length are 0";
}

static void print_address(FILE *f, const struct config_net *net)
{
	char buf[INET6_ADDRSTRLEN];

	fputs(inet_ntop(net->family == 4 ? AF_INET : AF_INET6, net->addr, buf, sizeof(buf)), f);
}

/* Not before a "/": a plain scalar of YAML that ends in a colon, as fd00::, would be a key. */
static void print_alone(FILE *f, const struct config_net *net)
{
	const bool quoted = net->family == 6 && net->addr[14] == 0 && net->addr[15] == 0;

	fputs(quoted ? "\"" : "", f);
	print_address(f, net);
	fputs(quoted ? "\"" : "", f);
}

void config_print_net(FILE *f, const void *field)
{
	const struct config_net *net = field;

	if (net->family == 0)
		return;
	print_address(f, net);
	fprintf(f, "/%u", net->len);
}

void config_print_host(FILE *f, const void *field)
{
	const struct config_net *net = field;

	if (net->family != 0)
		print_alone(f, net);
}

void config_print_listen(FILE *f, const void *field)
{
	const struct config_net *net = field;

	if (net->family == 0)
		fputs("any", f);
	else if (net->len == (net->family == 4 ? 32 : 128))
		print_alone(f, net);
	else
		config_print_net(f, field);
}

bool config_net_holds(const struct config_net *net, const struct config_net *addr)
{
	unsigned int full = net->len / 8, rest = net->len % 8;

	if (net->family != addr->family || memcmp(net->addr, addr->addr, full) != 0)
		return false;
	return rest == 0 || ((net->addr[full] ^ addr->addr[full]) & (0xff00u >> rest) & 0xff) == 0;
}

/* ---- Others ---------------------------------------------------------------------------------- */

const char *config_parse_mac(void *field, const char *text)
{
	static const char expected[] = "a unicast MAC as 02:00:00:00:00:01";
	uint8_t *mac = field;

	if (strlen(text) != 17)
		return expected;
	for (unsigned int i = 0; i < 6; i++) {
		char octet[3] = {text[3 * i], text[3 * i + 1], '\0'};

		if (strspn(octet, "0123456789abcdefABCDEF") != 2 ||
		    (i < 5 && text[3 * i + 2] != ':'))
			return expected;
		mac[i] = (uint8_t)strtoul(octet, NULL, 16);
	}
	return (mac[0] & 1) == 0 ? NULL : expected;
}

void config_print_mac(FILE *f, const void *field)
{
	static const uint8_t unset[6];
	const uint8_t *mac = field;

	if (memcmp(mac, unset, sizeof(unset)) != 0)
		fprintf(f, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1], mac[2], mac[3],
			mac[4], mac[5]);
}

const char *config_parse_ports(void *field, const char *text)
{
	static const char expected[] = "a port 1 .. 65535, or a range as 8000-8010";
	struct config_port_range *range = field;
	size_t len = strcspn(text, "-");
	unsigned long first, last;

	if (!parse_number(text, len, 65535, &first) || first == 0)
		return expected;
	last = first;
	if (text[len] == '-' && !parse_number(text + len + 1, strlen(text + len + 1), 65535, &last))
		return expected;
	if (last < first)
		return expected;
	range->first = (uint16_t)first;
	range->last = (uint16_t)last;
	return NULL;
}

void config_print_ports(FILE *f, const void *field)
{
	const struct config_port_range *range = field;

	if (range->first == range->last)
		fprintf(f, "%u", range->first);
	else
		fprintf(f, "%u-%u", range->first, range->last);
}

const char *config_parse_lcore(void *field, const char *text)
{
	unsigned long cpu;

	if (!parse_number(text, strlen(text), 1023, &cpu))
		return "the number of a CPU, 0 .. 1023";
	*(uint32_t *)field = (uint32_t)cpu;
	return NULL;
}

void config_print_lcore(FILE *f, const void *field)
{
	fprintf(f, "%u", *(const uint32_t *)field);
}

bool config_pci_name(const char *text, char name[16])
{
	unsigned int domain = 0, bus, device, function;
	int end = -1;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4) {
		domain = 0;
		end = -1;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
			return false;
	}
	if (end < 0 || text[end] != '\0' || device > 31 || function > 7)
		return false;
	snprintf(name, 16, "%04x:%02x:%02x.%x", domain, bus, device, function);
	return true;
}

/* What stands behind iface= of a tap; NULL: it is none, or names itself. */
static const char *tap_interface(const char *vdev, size_t *len)
{
	const char *at = vdev;

	*len = 0;
	if (at == NULL || strncmp(at, "net_tap", 7) != 0)
		return NULL;
	at = strstr(at, ",iface=");
	if (at == NULL)
		return NULL;
	at += strlen(",iface=");
	*len = strcspn(at, ",");
	return at;
}

bool config_same_tap(const char *vdev_a, const char *vdev_b)
{
	size_t len_a, len_b;
	const char *a = tap_interface(vdev_a, &len_a), *b = tap_interface(vdev_b, &len_b);

	return a != NULL && b != NULL && len_a == len_b && memcmp(a, b, len_a) == 0;
}

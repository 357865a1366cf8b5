/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of the command line, one kind a function: text in, a value or what was expected out. No
 * value is half accepted: "12abc" is no number.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

/** Address of either family; false when it is none. */
static bool parse_addr(const char *text, uint8_t *family, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (inet_pton(AF_INET, text, addr) == 1)
		*family = 4;
	else if (inet_pton(AF_INET6, text, addr) == 1)
		*family = 6;
	else
		return false;
	return true;
}

const char *mb_parse_prefix(const char *text, struct mb_prefix *out)
{
	static const char expected[] = "an address with an optional prefix length, as 10.0.0.1/24";
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;

	if (len >= sizeof(addr))
		return expected;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (!parse_addr(addr, &out->family, out->addr))
		return expected;
	bits = out->family == 4 ? 32 : 128;
	if (slash != NULL && args_count(slash + 1, 0, bits, &bits) != NULL)
		return expected;
	out->len = (uint8_t)bits;
	return NULL;
}

const char *mb_parse_endpoint(const char *text, struct mr_endpoint *out)
{
	static const char expected[] = "an address and a port, as 10.0.0.1:80 or [fd00::1]:80";
	char addr[INET6_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	uint64_t port;
	size_t len;

	if (colon == NULL || args_count(colon + 1, 1, 65535, &port) != NULL)
		return expected;
	len = (size_t)(colon - text);
	if (bracketed) {
		if (len < 2 || text[len - 1] != ']')
			return expected;
		text++;
		len -= 2;
	}
	if (len >= sizeof(addr))
		return expected;
	memcpy(addr, text, len);
	addr[len] = '\0';
	/* Without brackets the last group of an IPv6 address would be taken for a port. */
	if (!parse_addr(addr, &out->family, out->addr) || (out->family == 6) != bracketed)
		return expected;
	out->port = (uint16_t)port;
	return NULL;
}

/** "A-B" or "A", A <= B. */
static bool parse_span(const char *text, uint64_t max, uint64_t *first, uint64_t *last)
{
	char left[24];
	const char *dash = strchr(text, '-');
	size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);

	if (len >= sizeof(left))
		return false;
	memcpy(left, text, len);
	left[len] = '\0';
	if (args_count(left, 0, max, first) != NULL)
		return false;
	*last = *first;
	return dash == NULL || (args_count(dash + 1, 0, max, last) == NULL && *first <= *last);
}

const char *mb_parse_ports(const char *text, struct mb_port_range *out)
{
	uint64_t first, last;

	if (!parse_span(text, 65535, &first, &last) || first == 0)
		return "a range of ports, as 1024-65535";
	out->first = (uint16_t)first;
	out->last = (uint16_t)last;
	return NULL;
}

const char *mb_parse_cpus(const char *text, struct mb_cpus *out)
{
	static const char expected[] = "a list of CPUs, as 1,3-5";
	char copy[MB_ARG_MAX], *save = NULL;
	uint64_t first, last;

	if (strlen(text) >= sizeof(copy))
		return expected;
	memcpy(copy, text, strlen(text) + 1);
	out->count = 0;
	for (char *part = strtok_r(copy, ",", &save); part != NULL;
	     part = strtok_r(NULL, ",", &save)) {
		if (!parse_span(part, 1023, &first, &last) ||
		    last - first >= MB_CPUS_MAX - out->count)
			return expected;
		for (uint64_t cpu = first; cpu <= last; cpu++)
			out->cpu[out->count++] = (uint32_t)cpu;
	}
	return out->count > 0 ? NULL : expected;
}

void mb_format_endpoint(const struct mr_endpoint *e, char *to, size_t len)
{
	char addr[INET6_ADDRSTRLEN] = "?";

	inet_ntop(e->family == 6 ? AF_INET6 : AF_INET, e->addr, addr, sizeof(addr));
	snprintf(to, len, e->family == 6 ? "[%s]:%u" : "%s:%u", addr, e->port);
}

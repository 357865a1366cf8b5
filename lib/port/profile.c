/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads driver profiles by one table of keys, so that a wrong key or range is reported with file,
 * line and column as in the daemon's configuration. Never guesses: a profile that says `verified:
 * no` must name the source of every value. Also the doctor's look at a port: what DPDK says of it
 * against what its profile and the workers want. Owns no port, configures none.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "bounds.h"
#include "doctor.h"
#include "profile.h"

#define RSS_TCP (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

#define FIELD(f) offsetof(struct driver_profile, f)

static const char *const spread_names[] = {"none", "rss", "peer", NULL};

/* clang-format off */
#define PROFILE_FLAG(V, key, value, help) V(key, CONF_BOOL, 0, 0, "", value, NULL, help)
/*
 * The values of a profile, once: name, type, least, most, unit, default, names, help. `sources` is
 * made from the same list, so that it cannot lack one.
 */
#define PROFILE_KEYS(V) \
	V(rx_desc, CONF_UINT, 64, PROFILE_DESC_MAX, "descriptors", "512", NULL, \
	  "Receive descriptors of a queue.") \
	V(tx_desc, CONF_UINT, 64, PROFILE_DESC_MAX, "descriptors", "512", NULL, \
	  "Transmit descriptors of a queue.") \
	V(rx_burst, CONF_UINT, 1, MR_BURST, "packets", "64", NULL, \
	  "Packets asked for in one receive call.") \
	V(queues_max, CONF_UINT, 1, MR_QUEUES_MAX, "queues", "64", NULL, \
	  "Queues to use at most, each way.") \
	V(spread, CONF_ENUM, 0, 0, "", "rss", spread_names, \
	  "Who spreads flows over the queues: nobody, RSS, or the other end of the wire.") \
	PROFILE_FLAG(V, tx_ipv4_cksum, "no", \
	  "The port's IPv4 header checksum may be used when it is advertised.") \
	PROFILE_FLAG(V, tx_tcp_cksum, "no", \
	  "The port's TCP checksum on transmit may be used when it is advertised.") \
	PROFILE_FLAG(V, rx_cksum, "no", \
	  "The port's verdict on received checksums may be believed when it is advertised.") \
	PROFILE_FLAG(V, multi_segs, "no", \
	  "Chains of mbufs may be sent when that is advertised; else payload is copied.") \
	PROFILE_FLAG(V, own_mac, "no", \
	  "The MAC that the port reports belongs to the kernel's side: use a local one.") \
	PROFILE_FLAG(V, mac_filter, "yes", \
	  "The port filters by destination MAC and must be told what to let through.") \
	PROFILE_FLAG(V, shared_mbufs, "no", \
	  "Received mbufs are the sender's own: their offload flags mean nothing.") \
	PROFILE_FLAG(V, page_bound, "no", \
	  "Without hugepages no mbuf may cross a page: the device knows pages only.") \
	PROFILE_FLAG(V, page_mbufs, "no", \
	  "Mbufs for data are pages of 4 KB: the driver takes a pool for an array without gaps.")

enum {
#define V(key, ...) VALUE_##key,
	PROFILE_KEYS(V)
#undef V
	VALUE_COUNT
};
static_assert(VALUE_COUNT == PROFILE_VALUES, "every value of a profile has its source");

static const struct conf_key source_keys[] = {
#define V(key, ...) \
	{.name = #key, .type = CONF_STRING, .offset = VALUE_##key * sizeof(char *), .min = 1, \
	 .max = 300, .unit = "", .def = "", .help = "Where the value of " #key " comes from."},
	PROFILE_KEYS(V)
#undef V
	{.name = NULL},
};

static const struct conf_key profile_keys[] = {
	{.name = "driver", .type = CONF_STRING, .offset = FIELD(driver), .min = 1, .max = 63,
	 .unit = "", .help = "The driver's name as DPDK reports it."},
	{.name = "verified", .type = CONF_BOOL, .offset = FIELD(verified), .unit = "",
	 .help = "The values were tried with this engine; if not, `sources` says whose they are."},
#define V(key, kind, least, most, what, value, words, text) \
	{.name = #key, .type = kind, .offset = FIELD(key), .min = least, .max = most, \
	 .unit = what, .def = value, .names = words, .help = text},
	PROFILE_KEYS(V)
#undef V
	{.name = "sources", .type = CONF_MAP, .offset = FIELD(source), .keys = source_keys,
	 .help = "Where the values come from, by the name of the key."},
	{.name = NULL},
};

/* clang-format on */

/* For a driver that nobody described: nothing is believed. */
static const char generic[] = "driver: generic\nverified: yes\n";

static int check_sources(const char *where, const struct driver_profile *p, struct conf_error *err)
{
	if (p->verified)
		return 0;
	for (unsigned int i = 0; i < PROFILE_VALUES; i++) {
		if (p->source[i] != NULL)
			continue;
		snprintf(err->text, sizeof(err->text),
			 "%.200s: key 'sources.%s' is missing: a profile "
			 "with 'verified: no' names the source of every value",
			 where, source_keys[i].name);
		return -1;
	}
	return 0;
}

static int finish(int rc, const char *where, struct driver_profile *p, struct conf_error *err)
{
	if (rc == 0)
		rc = check_sources(where, p, err);
	if (rc != 0)
		return -1;
	snprintf(p->origin, sizeof(p->origin), "%s", where);
	return 0;
}

int profile_load(const char *path, struct driver_profile *p, struct conf_error *err)
{
	memset(p, 0, sizeof(*p));
	return finish(conf_load_file(path, profile_keys, p, err), path, p, err);
}

static int load_text(const char *where, const char *text, struct driver_profile *p,
		     struct conf_error *err)
{
	memset(p, 0, sizeof(*p));
	return finish(conf_load_text(where, text, strlen(text), profile_keys, p, err), where, p,
		      err);
}

/* A name that could leave the directory, or hide in it, is no driver's. */
static bool name_is_plain(const char *name)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return name[0] != '\0' && strspn(name, plain) == strlen(name);
}

static bool file_of(const char *dir, const char *name, char path[static 512])
{
	if (dir == NULL || !name_is_plain(name))
		return false;
	return snprintf(path, 512, "%s/%s.yaml", dir, name) < 512 && access(path, F_OK) == 0;
}

static const struct profile_text *builtin_of(const char *name)
{
	for (const struct profile_text *t = profile_builtin; t->name != NULL; t++)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

int profile_find(const char *dir, const char *name, struct driver_profile *p,
		 struct conf_error *err)
{
	const struct profile_text *text = builtin_of(name);
	char path[512], where[128];

	if (file_of(dir, name, path))
		return profile_load(path, p, err);
	if (text == NULL) {
		int rc = load_text("generic profile", generic, p, err);

		p->verified = false;
		return rc;
	}
	snprintf(where, sizeof(where), "built-in profile %s", name);
	return load_text(where, text->text, p, err);
}

bool profile_known(const char *dir, const char *name)
{
	char path[512];

	return file_of(dir, name, path) || builtin_of(name) != NULL;
}

void profile_free(struct driver_profile *p)
{
	conf_free(profile_keys, p);
}

void profile_print_reference(FILE *f)
{
	conf_print_reference(f, profile_keys);
}

/* ---- a port against its profile ---- */

static void check_queues(struct doctor *d, const char *port, const struct rte_eth_dev_info *info,
			 uint32_t workers, const struct driver_profile *p)
{
	uint32_t queues =
		MR_MIN(MR_MIN(info->max_rx_queues, info->max_tx_queues), (uint32_t)p->queues_max);
	bool rss = (info->flow_type_rss_offloads & RSS_TCP) != 0;
	bool spreads = p->spread == PROFILE_SPREAD_PEER || (p->spread == PROFILE_SPREAD_RSS && rss);

	if (workers <= 1 || (spreads && queues >= workers)) {
		doctor_say(d, "ok", "port %s: %u queues, RSS for TCP: %s", port, queues,
			   rss ? "yes" : "no");
		return;
	}
	doctor_say(d, "MISSING", "port %s: %u workers, but %s", port, workers,
		   spreads ? "too few queues"
			   : "nothing spreads flows over its queues (no RSS for TCP)");
	doctor_mend(d, "configure %u worker%s for it", spreads ? queues : 1,
		    spreads && queues > 1 ? "s" : "");
}

static void check_rings(struct doctor *d, const char *port, const struct rte_eth_dev_info *info,
			const struct driver_profile *p)
{
	bool fits =
		p->rx_desc <= info->rx_desc_lim.nb_max && p->tx_desc <= info->tx_desc_lim.nb_max;

	if (fits) {
		doctor_say(d, "ok", "port %s: rings of %" PRIu64 " and %" PRIu64 " descriptors",
			   port, p->rx_desc, p->tx_desc);
		return;
	}
	doctor_say(d, "slow",
		   "port %s: rings of at most %u and %u descriptors, the profile wants %" PRIu64
		   " and %" PRIu64,
		   port, info->rx_desc_lim.nb_max, info->tx_desc_lim.nb_max, p->rx_desc,
		   p->tx_desc);
	doctor_mend(d, "set rx_desc and tx_desc of the port, or of its profile in drivers-config/");
}

unsigned int doctor_port(const char *port, const char *profile_dir, uint32_t workers, FILE *out)
{
	struct doctor_request none = {.root = ""};
	struct doctor d = {.r = &none, .out = out};
	struct driver_profile p = {0};
	struct rte_eth_dev_info info;
	struct conf_error err;
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(port, &id) != 0 || rte_eth_dev_info_get(id, &info) != 0) {
		doctor_say(&d, "MISSING", "port %s: DPDK found none of this name", port);
		doctor_mend(&d, "check the port's vdev or PCI address in the configuration");
		return d.missing;
	}
	if (profile_find(profile_dir, info.driver_name, &p, &err) != 0) {
		doctor_say(&d, "MISSING", "port %s: %s", port, err.text);
		doctor_mend(&d, "correct that profile");
	} else {
		doctor_say(&d, p.verified ? "ok" : "slow", "port %s: driver %s, %s%s", port,
			   info.driver_name, p.origin,
			   p.verified ? "" : ", not verified: its offloads are believed on paper");
		check_queues(&d, port, &info, workers, &p);
		check_rings(&d, port, &info, &p);
	}
	profile_free(&p);
	return d.missing;
}

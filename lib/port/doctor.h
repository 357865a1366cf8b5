/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looks at this machine before a start, and says what is missing and the command that mends it.
 * Changes nothing. Control thread only.
 */
#ifndef MR_DOCTOR_H
#define MR_DOCTOR_H

#include <stdio.h>

#include "attr.h"

struct doctor_request {
	const char *root;		/* where sys, proc and dev are: "", or a fixture */
	const uint32_t *cpus;		/* of the workers */
	uint32_t ncpus;
	uint64_t memory_mb;		/* EAL memory that will be asked for */
	const char *const *pci;		/* PCI addresses of ports; NULL ends; NULL: none */
	const char *const *netdev;	/* interfaces of af_packet and af_xdp ports; as pci */
	bool tap;			/* a net_tap port is wanted */
	/* Value of one ETHTOOL_G* command; false: unknown. NULL: asks the kernel (SIOCETHTOOL). */
	bool (*ethtool)(const char *ifname, uint32_t cmd, uint32_t *value);
};

/* One consultation; for the files of the doctor. */
struct doctor {
	const struct doctor_request *r;
	FILE *out;
	unsigned int missing;
};
/** Prints a verdict ("ok", "slow", "MISSING") and what was found; counts the missing. */
MR_PRINTF(3, 4) void doctor_say(struct doctor *d, const char *verdict, const char *fmt, ...);
/** Prints the command that mends what was just said. */
MR_PRINTF(2, 3) void doctor_mend(struct doctor *d, const char *fmt, ...);

/**
 * Checks hugepages, IOMMU, vfio, binding, NUMA, cores, locked memory, /dev/net/tun and the offloads
 * of veth peers, as far as the request needs them. One line each on out: "ok", "slow" (works, but
 * costs) or "MISSING", the two latter with the command that mends it. Returns how many are MISSING.
 */
unsigned int doctor_machine(const struct doctor_request *r, FILE *out);
/**
 * The same of an ethdev port, after eal_start(): its profile, queues and RSS for so many workers,
 * ring sizes.
 */
unsigned int doctor_port(const char *port, const char *profile_dir, uint32_t workers, FILE *out);

#endif /* MR_DOCTOR_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --doctor: what this configuration wants of the machine, asked of lib/port/doctor.h. When
 * nothing is missing, EAL is started for a moment and the ports are looked at too.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "engine.h"

#include "daemon.h"
#include "plan.h"

/* What the request points into. */
struct wanted {
	const char *pci[MR_PORTS_MAX + 1];
	const char *netdev[MR_PORTS_MAX + 1];
	char name[MR_PORTS_MAX][64];
	bool tap;
};

/* The value of iface=... in a vdev's arguments. False: none. */
static bool interface_of(const char *vdev, char name[64])
{
	const char *at = strstr(vdev, "iface=");

	if (at == NULL)
		return false;
	at += strlen("iface=");
	snprintf(name, 64, "%.*s", (int)MR_MIN(strcspn(at, ","), (size_t)63), at);
	return true;
}

static void collect(struct wanted *w, const struct config *cfg)
{
	unsigned int npci = 0, nnetdev = 0;

	for (uint32_t i = 0; i < cfg->nports; i++) {
		const struct config_port *p = &cfg->port[i];

		if (p->pci != NULL)
			w->pci[npci++] = p->pci;
		else if (strncmp(p->vdev, "net_tap", 7) == 0)
			w->tap = true;
		else if (strncmp(p->vdev, "net_af_", 7) == 0 && interface_of(p->vdev, w->name[i]))
			w->netdev[nnetdev++] = w->name[i];
	}
}

static unsigned int look_at_ports(const struct plan *plan)
{
	const char *why = "";
	unsigned int missing = 0;

	if (eal_start(&plan->eal, &why) != 0) {
		printf("MISSING the ports cannot be opened: %s\n", why);
		return 1;
	}
	for (uint16_t i = 0; i < plan->engine.nports; i++)
		missing += doctor_port(plan->engine.port[i].name, plan->engine.profile_dir,
				       plan->engine.nworkers, stdout);
	eal_stop();
	return missing;
}

static unsigned int examine(const struct plan *plan, const struct config *cfg)
{
	struct wanted w = {0};
	unsigned int missing;

	collect(&w, cfg);
	missing = doctor_machine(
		&(struct doctor_request){
			.root = "",
			.cpus = plan->engine.lcores,
			.ncpus = plan->engine.nworkers,
			.memory_mb = plan->eal.memory_mb,
			.pci = w.pci,
			.netdev = w.netdev,
			.tap = w.tap,
		},
		stdout);
	fflush(stdout);
	return missing > 0 ? missing : look_at_ports(plan);
}

int daemon_doctor(const struct config *cfg, const char *program)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	const char *why = "no memory";
	unsigned int missing = 1;

	if (plan != NULL && plan_make(plan, cfg, program, &why) == 0)
		missing = examine(plan, cfg);
	else
		fprintf(stderr, "millraced: %s\n", why);
	if (plan != NULL)
		plan_free(plan);
	free(plan);
	return missing == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

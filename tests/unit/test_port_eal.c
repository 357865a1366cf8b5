/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's argument list, which is computed without EAL, and the refusals of eal_start. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "eal.h"
#include "port_double.h"

static struct eal_args args;

static struct eal_options options(uint32_t first, uint32_t second)
{
	struct eal_options opt = {.program = "prog",
				  .lcores = {first, second},
				  .nlcores = 2,
				  .memory_mb = 300,
				  .file_prefix = "px"};

	return opt;
}

/* All arguments in one line. */
static const char *build(const struct eal_options *opt, uint32_t ncpus, bool huge)
{
	static char line[16384];
	struct eal_cpus cpus = {.count = ncpus};
	const char *why = "";

	for (uint32_t i = 0; i < ncpus; i++)
		cpus.cpu[i] = i;
	line[0] = '\0';
	if (eal_args_build(&args, opt, &cpus, huge, &why) != 0)
		return why;
	for (int i = 0; i < args.argc; i++) {
		size_t len = strlen(line);

		snprintf(line + len, sizeof(line) - len, "%s ", args.argv[i]);
	}
	cr_assert_null(args.argv[args.argc]);
	return line;
}

static void has(const char *line, const char *part)
{
	cr_assert_not_null(strstr(line, part), "'%s' is not in: %s", part, line);
}

static void lacks(const char *line, const char *part)
{
	cr_assert_null(strstr(line, part), "'%s' is in: %s", part, line);
}

Test(port_eal, control_floats_over_all_cpus_when_workers_have_them_all)
{
	struct eal_options opt = options(0, 1);
	const char *line = build(&opt, 2, false);

	has(line, "--lcores=0@0,1@1,2@(0,1) ");
	has(line, "--main-lcore=2 ");
}

Test(port_eal, control_keeps_off_the_workers_when_there_are_other_cpus)
{
	struct eal_options opt = options(3, 1);

	has(build(&opt, 4, false), "--lcores=0@3,1@1,2@(0,2) ");
}

Test(port_eal, two_workers_on_one_cpu_get_two_lcores)
{
	struct eal_options opt = options(0, 0);

	has(build(&opt, 1, false), "--lcores=0@0,1@0,2@(0) ");
}

Test(port_eal, no_huge_and_in_memory_never_meet)
{
	struct eal_options opt = options(0, 1);
	const char *line = build(&opt, 2, false);

	has(line, "--no-huge ");
	has(line, "--no-shconf ");
	has(line, "-m 300 ");
	lacks(line, "--in-memory");
	line = build(&opt, 2, true);
	has(line, "--in-memory ");
	lacks(line, "--no-huge");
	lacks(line, "--no-shconf");
}

Test(port_eal, pci_only_with_an_address)
{
	struct eal_options opt = options(0, 1);

	has(build(&opt, 2, false), "--no-pci ");
	/* "any NIC" would take the machine's own. */
	opt.pci = true;
	has(build(&opt, 2, false), "--no-pci ");
	snprintf(opt.pci_allow[0], sizeof(opt.pci_allow[0]), "0000:03:00.0");
	has(build(&opt, 2, false), "-a 0000:03:00.0 ");
	lacks(build(&opt, 2, false), "--no-pci");
	opt.pci = false;
	lacks(build(&opt, 2, false), "0000:03:00.0");
}

Test(port_eal, vdevs_prefix_and_log_level)
{
	struct eal_options opt = options(0, 1);

	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_tap0,iface=mill0");
	snprintf(opt.vdev[1], ENGINE_ARG_MAX, "net_memif0,role=client");
	opt.single_file_segments = true;
	has(build(&opt, 2, false), "--vdev=net_tap0,iface=mill0 --vdev=net_memif0,role=client ");
	has(build(&opt, 2, false), "--single-file-segments ");
	has(build(&opt, 2, false), "--file-prefix=px ");
	has(build(&opt, 2, false), "--log-level=lib.eal:warning ");
	opt.log_level = 8;
	opt.file_prefix = NULL;
	has(build(&opt, 2, false), "--log-level=*:8 ");
	has(build(&opt, 2, false), "--file-prefix=millrace");
}

Test(port_eal, wrong_cpus_and_counts_are_refused)
{
	struct eal_options opt = options(0, 7);

	has(build(&opt, 2, false), "CPU 7 was given to a worker, but this process may not use it");
	opt.nlcores = 0;
	has(build(&opt, 2, false), "expected 1 to 64");
	opt.nlcores = MR_WORKERS_MAX + 1;
	has(build(&opt, 2, false), "expected 1 to 64");
}

Test(port_eal, everything_at_its_longest_fits)
{
	struct eal_options opt = {.program = "p", .nlcores = MR_WORKERS_MAX, .memory_mb = 1 << 20};
	struct eal_cpus *cpus = calloc(1, sizeof(*cpus));
	const char *why = "";

	for (uint32_t i = 0; i < 1024; i++)
		cpus->cpu[cpus->count++] = i;
	for (uint32_t i = 0; i < MR_WORKERS_MAX; i++)
		opt.lcores[i] = 900 + i;
	for (uint32_t i = 0; i < MR_PORTS_MAX; i++) {
		memset(opt.vdev[i], 'v', ENGINE_ARG_MAX - 1);
		memset(opt.pci_allow[i], 'a', sizeof(opt.pci_allow[i]) - 1);
	}
	opt.pci = true;
	cr_assert_eq(eal_args_build(&args, &opt, cpus, false, &why), 0);
	has(args.argv[1], "@(0,1,2,");
	cr_assert_eq(args.argv[1][strlen(args.argv[1]) - 1], ')');
	free(cpus);
}

Test(port_eal, free_hugepages_are_read)
{
	char root[] = "/tmp/mr_eal_XXXXXX", cmd[512];

	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(eal_free_hugepages_at(root), 0);
	snprintf(cmd, sizeof(cmd),
		 "mkdir -p %s/sys/kernel/mm/hugepages/hugepages-2048kB && "
		 "echo 37 > %s/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		 root, root);
	cr_assert_eq(double_shell(cmd), 0);
	cr_assert_eq(eal_free_hugepages_at(root), 37);
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	cr_assert_eq(double_shell(cmd), 0);
}

Test(port_eal, starts_once_and_refuses_a_tap_that_exists)
{
	struct eal_options opt;
	const char *why = "";

	double_eal(&opt, 1);
	/* lo exists everywhere. */
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_tap0,iface=lo,mac=fixed");
	cr_assert_eq(eal_start(&opt, &why), -1);
	has(why, "The interface lo exists already");
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_tap0,iface=averyveryverylongname");
	cr_assert_eq(eal_start(&opt, &why), -1);
	has(why, "longer than 15 characters");
	opt.vdev[0][0] = '\0';
	opt.hugepages = false;
	cr_assert_eq(eal_start(&opt, &why), 0, "%s", why);
	cr_assert(!eal_uses_hugepages());
	cr_assert_eq(eal_claim_lcore(opt.lcores[0]), 0);
	cr_assert_eq(eal_claim_lcore(opt.lcores[0]), -1);
	eal_release_lcore(0);
	cr_assert_eq(eal_claim_lcore(opt.lcores[0]), 0);
	cr_assert_eq(eal_start(&opt, &why), -1);
	has(why, "once in the life of a process");
	eal_stop();
	eal_stop();
}

Test(port_eal, a_device_that_does_not_exist_is_an_error)
{
	struct eal_options opt;
	const char *why = "";

	double_eal(&opt, 1);
	opt.log_level = 1;
	snprintf(opt.vdev[0], ENGINE_ARG_MAX, "net_nosuchdriver0");
	cr_assert_eq(eal_start(&opt, &why), -1);
	has(why, "EAL did not start");
}

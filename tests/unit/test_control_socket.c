/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket's file: what may stand in its way at start, what is said of it, and that it
 * goes with the daemon. No engine: only `stop` is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "control.h"

#define NOBODY 65534

static char dir[64], path[96];
static volatile bool stop_asked;

static void on_stop(void *arg)
{
	(void)arg;
	stop_asked = true;
}

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/millrace-control-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
}

static void remove_dir(void)
{
	unlink(path);
	rmdir(dir);
}

static struct control *start(const char *socket_path, const char **why)
{
	struct control_config cfg = {.socket_path = socket_path, .on_stop = on_stop};

	return control_start(&cfg, why);
}

static void expect_refusal(const char *socket_path, const char *reason)
{
	const char *why = NULL;
	struct control *ctl = start(socket_path, &why);

	cr_assert_null(ctl);
	cr_assert_not_null(strstr(why, socket_path), "%s", why);
	cr_assert_not_null(strstr(why, reason), "expected '%s', not '%s'", reason, why);
}

static void expect_start(void)
{
	const char *why = NULL;
	struct control *ctl = start(path, &why);

	cr_assert_not_null(ctl, "%s", why);
	control_stop(ctl);
	cr_assert_neq(access(path, F_OK), 0, "the file outlives the daemon");
}

static int bound_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	cr_assert(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

/* What a daemon that was killed leaves behind. */
static void leave_stale(void)
{
	close(bound_socket());
	cr_assert_eq(access(path, F_OK), 0);
}

static void ask_stop(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer[64] = "";

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	cr_assert(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	cr_assert_eq(write(fd, "stop\n", 5), 5);
	cr_assert(read(fd, answer, sizeof(answer) - 1) > 0);
	cr_assert_str_eq(answer, "{\"stopping\":true}");
	close(fd);
}

TestSuite(control_socket, .init = make_dir, .fini = remove_dir, .timeout = 30);

Test(control_socket, answers_and_goes_with_the_daemon)
{
	const char *why = NULL;
	struct control *ctl = start(path, &why);
	struct stat st;

	cr_assert_not_null(ctl, "%s", why);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
	ask_stop();
	cr_assert(stop_asked);
	control_stop(ctl);
	cr_assert_neq(access(path, F_OK), 0);
}

Test(control_socket, its_directory_is_made)
{
	rmdir(dir);
	expect_start();
}

Test(control_socket, directories_above_are_not)
{
	char deep[128];

	snprintf(deep, sizeof(deep), "%s/missing/too/socket", dir);
	expect_refusal(deep, "its directory cannot be made: No such file or directory");
}

Test(control_socket, of_a_daemon_that_died_is_replaced)
{
	leave_stale();
	expect_start();
}

Test(control_socket, of_a_living_daemon_is_left_alone)
{
	const char *why = NULL;
	struct control *first = start(path, &why);

	cr_assert_not_null(first, "%s", why);
	expect_refusal(path, "another daemon answers there");
	ask_stop();
	control_stop(first);
}

/* Its queue of connections is full: connect() would wait, and the start with it. */
Test(control_socket, of_a_daemon_that_hangs_is_left_alone)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int hung = bound_socket();

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	cr_assert(listen(hung, 0) == 0);
	for (unsigned int i = 0; i < 4; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
			break;
	}
	expect_refusal(path, "another daemon answers there");
}

Test(control_socket, a_file_that_is_no_socket_is_left_alone)
{
	FILE *f = fopen(path, "w");

	fputs("precious", f);
	fclose(f);
	expect_refusal(path, "a file that is no socket has this name");
	cr_assert_eq(access(path, F_OK), 0);
}

Test(control_socket, a_path_can_be_too_long)
{
	const char *why = NULL;
	char longest[200];

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[108] = '\0';
	cr_assert_null(start(longest, &why));
	cr_assert_not_null(strstr(why, "its path has more than 107 octets"), "%s", why);
}

/* Root may write everywhere: what follows is looked at as nobody. */
static void become_nobody(void)
{
	if (geteuid() == 0)
		cr_assert_eq(seteuid(NOBODY), 0);
}

static void become_root(void)
{
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
}

Test(control_socket, a_directory_that_may_not_be_written)
{
	char below[128];

	cr_assert_eq(chmod(dir, 0555), 0);
	snprintf(below, sizeof(below), "%s/below/socket", dir);
	become_nobody();
	expect_refusal(path, "cannot be opened: Permission denied");
	expect_refusal(below, "its directory cannot be made: Permission denied");
	become_root();
	cr_assert_eq(chmod(dir, 0755), 0);
}

Test(control_socket, a_stale_one_that_may_not_be_removed)
{
	leave_stale();
	cr_assert_eq(chmod(path, 0666), 0);
	cr_assert_eq(chmod(dir, 0555), 0);
	become_nobody();
	expect_refusal(path, "of a daemon that died cannot be removed: Permission denied");
	become_root();
	cr_assert_eq(chmod(dir, 0755), 0);
}

/* Whether anybody answers there cannot be known: it stays, even where it could be removed. */
Test(control_socket, of_another_user_is_left_alone)
{
	const char *why = NULL;
	struct control *first;

	if (getuid() != 0)
		cr_skip_test("only root can be somebody else");
	first = start(path, &why);
	cr_assert_not_null(first, "%s", why);
	cr_assert_eq(chmod(path, 0600) | chmod(dir, 0777), 0);
	become_nobody();
	expect_refusal(path, "the one that is there cannot be asked: Permission denied");
	become_root();
	ask_stop();
	control_stop(first);
}

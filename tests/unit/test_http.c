/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The http handler against a double of the engine: what it answers, however the octets are cut, and
 * what it refuses (RFC 9110, 9112).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "handler_double.h"
#include "http_content.h"

#define HOST "Host: a\r\n"

static struct mr_worker *w;

static void setup(void)
{
	w = double_begin("http", NULL);
}

static void teardown(void)
{
	double_end(w);
}

TestSuite(http, .init = setup, .fini = teardown);

/* The n-th (from 0) status of what was sent; 0: there is none. */
static unsigned int status_at(const struct double_conn *d, unsigned int n)
{
	const char *at = d->out;

	for (;;) {
		at = strstr(at, "HTTP/1.1 ");
		if (at == NULL)
			return 0;
		at += 9;
		if (n-- == 0)
			return (unsigned int)strtoul(at, NULL, 10);
	}
}

static unsigned int replies(const struct double_conn *d)
{
	unsigned int n = 0;

	while (status_at(d, n) != 0)
		n++;
	return n;
}

static const char *body_of(const struct double_conn *d)
{
	const char *end = strstr(d->out, "\r\n\r\n");

	cr_assert_not_null(end);
	return end + 4;
}

/* One request on a connection of its own. */
static struct double_conn *ask(const char *request)
{
	mr_conn c = double_accept(w);

	double_text(w, c, request);
	return double_conn(w, c);
}

/* ---- What it answers ------------------------------------------------------------------------- */

Test(http, n_octets)
{
	struct double_conn *d = ask("GET /bytes/100 HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(status_at(d, 0), 200);
	cr_assert_not_null(strstr(d->out, "\r\nContent-Length: 100\r\n"));
	cr_assert_not_null(strstr(d->out, "\r\nDate: "));
	cr_assert_eq(strlen(body_of(d)), 100);
	cr_assert_eq(memcmp(body_of(d), "abcdefghijklmnopqrstuvwxyzabc", 29), 0);
	cr_assert(!d->shut, "HTTP/1.1 keeps the connection");
}

Test(http, no_octets)
{
	struct double_conn *d = ask("GET /bytes/0 HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(status_at(d, 0), 200);
	cr_assert_str_eq(body_of(d), "");
}

Test(http, a_body_larger_than_the_queue)
{
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);
	size_t head;

	w->snd_buf = 5000;
	double_text(w, c,
		    "GET /bytes/200000 HTTP/1.1\r\n" HOST "\r\nGET /bytes/3 HTTP/1.1\r\n" HOST
		    "\r\n");
	cr_assert_gt(d->unread, 0, "the second request waits, unconsumed");
	for (int i = 0; i < 60; i++)
		double_ack(w, c);
	head = (size_t)(body_of(d) - d->out);
	for (size_t i = 0; i < 200000; i++)
		cr_assert_eq(d->out[head + i], 'a' + (int)(i % 64000 % 26), "octet %zu", i);
	cr_assert_eq(strncmp(d->out + head + 200000, "HTTP/1.1 200 OK\r\n", 17), 0);
	cr_assert_str_eq(d->out + d->out_len - 3, "abc");
	cr_assert_eq(d->unread, 0);
}

Test(http, a_head_larger_than_the_queue)
{
	mr_conn c = double_accept(w);
	struct double_conn *whole = ask("GET / HTTP/1.1\r\n" HOST "\r\n"), *d = double_conn(w, c);

	w->snd_buf = 7;
	double_text(w, c, "GET / HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 0; i < 100; i++)
		double_ack(w, c);
	cr_assert_eq(d->out_len, whole->out_len);
	cr_assert_str_eq(body_of(d), body_of(whole));
}

Test(http, head_has_no_body)
{
	struct double_conn *d =
		ask("HEAD /bytes/100 HTTP/1.1\r\n" HOST "\r\nHEAD /no HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(replies(d), 2);
	cr_assert_eq(status_at(d, 1), 404);
	cr_assert_not_null(strstr(d->out, "Content-Length: 100\r\n"));
	cr_assert_eq(strncmp(body_of(d), "HTTP/1.1 404", 12), 0);
	cr_assert_str_eq(d->out + d->out_len - 4, "\r\n\r\n");
}

Test(http, pipelined_requests_are_answered_in_order)
{
	struct double_conn *d =
		ask("GET /bytes/1 HTTP/1.1\r\n" HOST "\r\nGET /x HTTP/1.1\r\n" HOST "\r\n"
		    "HEAD / HTTP/1.1\r\n" HOST "\r\nGET /bytes/2 HTTP/1.1\r\n" HOST
		    "Connection: close\r\n\r\nGET /bytes/3 HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(replies(d), 4, "nothing is answered after Connection: close");
	cr_assert_eq(status_at(d, 0), 200);
	cr_assert_eq(status_at(d, 1), 404);
	cr_assert_eq(status_at(d, 2), 200);
	cr_assert_eq(status_at(d, 3), 200);
	cr_assert_not_null(strstr(d->out, "Connection: close\r\n"));
	cr_assert(d->shut && !d->closing);
	cr_assert_eq(d->unread, 0);
}

Test(http, http10_closes_unless_it_asks_to_keep)
{
	struct double_conn *d = ask("GET / HTTP/1.0\r\n\r\n");

	cr_assert_eq(status_at(d, 0), 200);
	cr_assert(d->shut);
	d = ask("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
	cr_assert(!d->shut);
	cr_assert_not_null(strstr(d->out, "\r\nConnection: keep-alive\r\n"));
}

Test(http, forms_of_the_target)
{
	cr_assert_eq(status_at(ask("GET http://a/bytes/5?x=/bytes/6 HTTP/1.1\r\n" HOST "\r\n"), 0),
		     200);
	cr_assert_eq(status_at(ask("GET http://a HTTP/1.1\r\n" HOST "\r\n"), 0), 200);
	cr_assert_eq(status_at(ask("GET /%62ytes/5 HTTP/1.1\r\n" HOST "\r\n"), 0), 200);
	cr_assert_eq(status_at(ask("GET /%6 HTTP/1.1\r\n" HOST "\r\n"), 0), 400);
	cr_assert_eq(status_at(ask("GET /%00 HTTP/1.1\r\n" HOST "\r\n"), 0), 400);
	cr_assert_eq(status_at(ask("GET /bytes/ HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(status_at(ask("GET /bytes/1x HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(status_at(ask("GET /bytes/1000000001 HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(
		status_at(ask("GET /bytes/9999999999999999999999 HTTP/1.1\r\n" HOST "\r\n"), 0),
		404);
}

Test(http, a_body_that_comes_with_get_is_dropped)
{
	struct double_conn *d = ask("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /"
				    "HEAD / HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(replies(d), 2);
	cr_assert_eq(status_at(d, 1), 200);
	d = ask("GET / HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHost: t\r\n\r\n"
		"HEAD / HTTP/1.1\r\n" HOST "\r\n");
	cr_assert_eq(replies(d), 2);
}

Test(http, an_upgrade_is_ignored)
{
	struct double_conn *d =
		ask("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
		    "GET / HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(replies(d), 2);
	cr_assert_eq(status_at(d, 1), 200);
}

/* ---- However it is cut ----------------------------------------------------------------------- */

static const char conversation[] =
	"GET /bytes/70 HTTP/1.1\r\n" HOST "X-Long: value, value\r\n\r\n"
	"POST / HTTP/1.1\r\nhOsT: a\r\nContent-Length: 0\r\n\r\n"
	"GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
	"GET /nothing HTTP/1.0\r\n\r\n";

static void expect_conversation(const struct double_conn *d, const char *how, size_t at)
{
	static const unsigned int expected[] = {200, 405, 200, 404};

	cr_assert_eq(replies(d), 4, "%s %zu: %u replies", how, at, replies(d));
	for (unsigned int i = 0; i < 4; i++)
		cr_assert_eq(status_at(d, i), expected[i], "%s %zu, reply %u", how, at, i);
	cr_assert(d->shut && d->unread == 0, "%s %zu", how, at);
}

Test(http, split_at_every_octet)
{
	size_t len = sizeof(conversation) - 1;

	for (size_t at = 1; at < len; at++) {
		mr_conn c = double_accept(w);

		double_data(w, c, conversation, at);
		double_data(w, c, conversation + at, len - at);
		expect_conversation(double_conn(w, c), "split at", at);
		teardown();
		setup();
	}
}

Test(http, octet_by_octet_and_as_a_chain)
{
	size_t len = sizeof(conversation) - 1;
	mr_conn c = double_accept(w);

	for (size_t i = 0; i < len; i++)
		double_data(w, c, conversation + i, 1);
	expect_conversation(double_conn(w, c), "octets", 1);
	c = double_accept(w);
	double_chain(w, c, conversation, len, (unsigned int)len);
	expect_conversation(double_conn(w, c), "chain of", 1);
}

/* ---- What it refuses ------------------------------------------------------------------------- */

static void expect_refused(const char *request, unsigned int status)
{
	struct double_conn *d = ask(request);

	cr_assert_eq(status_at(d, 0), status, "%u, not %u: %s", status_at(d, 0), status, request);
	cr_assert_eq(replies(d), 1);
	cr_assert(d->shut, "the connection ends: %s", request);
	cr_assert_not_null(strstr(d->out, "Connection: close\r\n"));
	cr_assert_eq(d->unread, 0);
}

Test(http, bad_requests)
{
	expect_refused("nonsense\r\n\r\n", 400);
	expect_refused("GET\r\n\r\n", 400);
	expect_refused("GET / HTTP/1.1\r\n\r\n", 400);			/* RFC 9112 3.2: no Host */
	expect_refused("GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400);	/* two of them */
	expect_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		       400);
	expect_refused("GET / HTTP/1.1\r\n" HOST
		       "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		       400);
	expect_refused("GET / HTTP/1.1\r\n" HOST "Bad Name: x\r\n\r\n", 400);
	expect_refused("GET / HTTP/2.0\r\n" HOST "\r\n", 505);
	expect_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n", 413);
	expect_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 405);
	expect_refused("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 405);
}

Test(http, other_methods_keep_the_connection)
{
	struct double_conn *d =
		ask("DELETE / HTTP/1.1\r\n" HOST "\r\nOPTIONS * HTTP/1.1\r\n" HOST "\r\n"
		    "GET / HTTP/1.1\r\n" HOST "\r\n");

	cr_assert_eq(replies(d), 3);
	cr_assert_eq(status_at(d, 0), 405);
	cr_assert_eq(status_at(d, 1), 405);
	cr_assert_eq(status_at(d, 2), 200);
	cr_assert_not_null(strstr(d->out, "\r\nAllow: GET, HEAD\r\n"));
}

/* A request whose head has exactly `octets` octets. */
static char *head_of(size_t octets)
{
	static char request[8192];
	int n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST "X: ");

	memset(request + n, 'y', octets - (size_t)n - 4);
	memcpy(request + octets - 4, "\r\n\r\n", 5);
	return request;
}

Test(http, the_head_is_limited_to_the_octet)
{
	cr_assert_eq(status_at(ask(head_of(4096)), 0), 200);
	expect_refused(head_of(4097), 431);
	for (size_t cut = 4090; cut < 4097; cut++) {
		mr_conn c = double_accept(w);

		double_data(w, c, head_of(4097), cut);
		double_data(w, c, head_of(4097) + cut, 4097 - cut);
		cr_assert_eq(status_at(double_conn(w, c), 0), 431, "cut at %zu", cut);
		c = double_accept(w);
		double_data(w, c, head_of(4096), cut - 1);
		double_data(w, c, head_of(4096) + cut - 1, 4097 - cut);
		cr_assert_eq(status_at(double_conn(w, c), 0), 200, "cut at %zu", cut);
	}
}

Test(http, a_long_target)
{
	char request[2000];

	snprintf(request, sizeof(request), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", 383, 7);
	cr_assert_eq(status_at(ask(request), 0), 404);
	snprintf(request, sizeof(request), "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", 384, 7);
	expect_refused(request, 414);
}

Test(http, octets_after_the_last_reply_are_dropped)
{
	mr_conn c = double_accept(w);

	double_text(w, c, "GET / HTTP/1.0\r\n\r\n");
	double_text(w, c, "GET / HTTP/1.0\r\n\r\n");
	cr_assert_eq(replies(double_conn(w, c)), 1);
	cr_assert_eq(double_conn(w, c)->unread, 0);
}

Test(http, a_peer_that_closes_early_still_gets_its_reply)
{
	mr_conn c = double_accept(w);
	struct double_conn *d = double_conn(w, c);

	w->snd_buf = 100;
	double_text(w, c, "GET /bytes/1000 HTTP/1.1\r\n" HOST "\r\nGET /by");
	double_peer_closed(w, c);
	cr_assert(!d->shut);
	for (int i = 0; i < 20; i++)
		double_ack(w, c);
	cr_assert_eq(strlen(body_of(d)), 1000);
	cr_assert(d->shut);
	c = double_accept(w);
	double_text(w, c, "GET / HT");
	double_peer_closed(w, c);
	cr_assert(double_conn(w, c)->shut);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void make_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

Test(http_files, are_served_and_nothing_else_is)
{
	char dir[] = "/tmp/mr_http_XXXXXX", path[64], shell[128];
	struct handler_options opt = {.root = dir};

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub", dir);
	mkdir(path, 0700);
	make_file(dir, "index.html", "<p>hello");
	make_file(dir, "sub/a b.txt", "text");
	make_file(dir, "empty", "");
	make_file(dir, ".secret", "secret");
	snprintf(path, sizeof(path), "%s/link", dir);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	w = double_begin("http", &opt);
	cr_assert_str_eq(body_of(ask("GET / HTTP/1.1\r\n" HOST "\r\n")), "<p>hello");
	cr_assert_not_null(strstr(ask("GET /index.html HTTP/1.1\r\n" HOST "\r\n")->out,
				  "Content-Type: text/html"));
	cr_assert_str_eq(body_of(ask("GET /sub/a%20b.txt HTTP/1.1\r\n" HOST "\r\n")), "text");
	cr_assert_eq(status_at(ask("GET /empty HTTP/1.1\r\n" HOST "\r\n"), 0), 200);
	cr_assert_eq(status_at(ask("GET /bytes/3 HTTP/1.1\r\n" HOST "\r\n"), 0), 200);
	cr_assert_eq(status_at(ask("GET /.secret HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(status_at(ask("GET /link HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(status_at(ask("GET /sub HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(status_at(ask("GET /sub/../index.html HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	cr_assert_eq(status_at(ask("GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n"), 0), 404);
	double_end(w);
	snprintf(shell, sizeof(shell), "%s/sub/a b.txt", dir);
	unlink(shell);
	for (unsigned int i = 0; i < 5; i++) {
		static const char *const names[] = {"index.html", "empty", ".secret", "link",
						    "sub"};

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	cr_assert_eq(rmdir(dir), 0);
}

Test(http_files, too_much_or_no_directory_stops_the_start)
{
	const struct handler *h = handler_find("http");
	struct handler_options opt = {.root = "/nonexistent", .root_octets_max = 1};
	struct handler_listener l = {.handler = h, .opt = opt};
	const char *why = "";

	cr_assert_eq(h->open(&l, &why), -1);
	cr_assert_not_null(strstr(why, "/nonexistent: No such file"));
	l.opt.root = "/etc/alternatives/..";
	cr_assert_eq(h->open(&l, &why), -1);
	cr_assert_not_null(strstr(why, "http.root_max"), "%s", why);
}

Test(http_files, are_measured_before_there_is_memory_for_them)
{
	char dir[] = "/tmp/millrace-measure-XXXXXX", path[64];
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%u", dir, i);
		f = fopen(path, "w");
		cr_assert(f != NULL && ftruncate(fileno(f), 1 << 20) == 0 && fclose(f) == 0);
	}
	cr_expect_eq(http_content_measure(dir, 1 << 30), (3 << 20) + 3 * MR_STATIC_OVERHEAD);
	cr_expect_eq(http_content_measure(dir, 1 << 20), (1 << 20) + 3 * MR_STATIC_OVERHEAD);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%u", dir, i);
		unlink(path);
	}
	rmdir(dir);
}

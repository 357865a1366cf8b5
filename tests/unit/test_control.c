/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/control without an engine: the JSON writer, what a listing asks for, and millctl's printing
 * of JSON for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "control_impl.h"
#include "json_text.h"

/* ---- The writer ------------------------------------------------------------------------------ */

static void expect_json(struct json *j, const char *expected)
{
	cr_assert(!j->failed);
	cr_assert_eq(j->depth, 0);
	cr_assert_eq(j->len, strlen(expected), "%.*s", (int)j->len, j->buf);
	cr_assert_eq(memcmp(j->buf, expected, j->len), 0, "%.*s", (int)j->len, j->buf);
	json_free(j);
}

Test(json, structure)
{
	struct json j;

	json_init(&j);
	json_open_object(&j);
	json_key(&j, "a");
	json_open_array(&j);
	json_close_array(&j);
	json_key(&j, "b");
	json_open_array(&j);
	json_uint(&j, 0);
	json_uint(&j, UINT64_MAX);
	json_open_object(&j);
	json_put_bool(&j, "t", true);
	json_put_bool(&j, "f", false);
	json_close_object(&j);
	json_milli(&j, 1);
	json_milli(&j, 12345);
	json_close_array(&j);
	json_put_string(&j, "c", "");
	json_close_object(&j);
	expect_json(&j, "{\"a\":[],\"b\":[0,18446744073709551615,{\"t\":true,\"f\":false},0.001,12."
			"345],\"c\":\"\"}");
}

Test(json, escapes)
{
	struct json j;

	json_init(&j);
	json_string(&j, "\"\\/\b\n\x01\x1f\x7f \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
	expect_json(&j, "\"\\\"\\\\/\\u0008\\u000a\\u0001\\u001f\x7f \xc3\xa4 \xe2\x82\xac "
			"\xf0\x9f\x98\x80\"");
}

Test(json, what_is_not_utf8_is_replaced)
{
	static const struct {
		const char *octets, *json;
	} table[] = {
		{"\x80", "\"\xef\xbf\xbd\""},			/* a continuation alone */
		{"\xc3", "\"\xef\xbf\xbd\""},			/* cut off */
		{"\xc3(", "\"\xef\xbf\xbd(\""},
		{"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},	/* overlong zero */
		{"\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},	/* a surrogate */
		{"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(table); i++) {
		struct json j;

		json_init(&j);
		json_string(&j, table[i].octets);
		expect_json(&j, table[i].json);
	}
}

Test(json, goes_on_after_a_drain)
{
	struct json j;

	json_init(&j);
	json_open_array(&j);
	json_uint(&j, 1);
	cr_assert_eq(memcmp(j.buf, "[1", j.len), 0);
	json_drain(&j);
	json_uint(&j, 2);
	json_close_array(&j);
	cr_assert_eq(memcmp(j.buf, ",2]", j.len), 0);
	json_free(&j);
}

/* ---- Listings -------------------------------------------------------------------------------- */

Test(listing, words)
{
	struct listing l;

	cr_assert_null(listing_parse(&l, ""));
	cr_assert(l.state_mask == 0 && !l.has_peer && l.limit == UINT64_MAX);
	cr_assert_null(listing_parse(&l, " state=established state=TIME_WAIT limit=5"));
	cr_assert_eq(l.state_mask, TCP_ESTABLISHED | TCP_TIME_WAIT);
	cr_assert_eq(l.limit, 5);
	cr_assert_null(listing_parse(&l, " limit=0"));
	cr_assert_eq(l.limit, UINT64_MAX);
	cr_assert_null(listing_parse(&l, " peer=10.0.0.1"));
	cr_assert(l.has_peer && l.peer.family == 4 && l.peer.addr[3] == 1 && l.peer.port == 0);
	cr_assert_null(listing_parse(&l, " peer=10.0.0.1:443"));
	cr_assert_eq(l.peer.port, 443);
	cr_assert_null(listing_parse(&l, " peer=fd00::7"));
	cr_assert(l.peer.family == 6 && l.peer.addr[15] == 7 && l.peer.port == 0);
	cr_assert_null(listing_parse(&l, " peer=[fd00::7]:80"));
	cr_assert(l.peer.family == 6 && l.peer.port == 80);
}

Test(listing, wrong_words)
{
	static const char *const words[] = {
		" state=OPEN",
		" state=",
		" peer=",
		" peer=10.0.0",
		" peer=10.0.0.1:",
		" peer=10.0.0.1:x",
		" peer=10.0.0.1:65536",
		" peer=[fd00::7",
		" peer=[fd00::7]80",
		" peer=host",
		" limit=",
		" limit=-1",
		" limit=1x",
		" verbose",
	};
	struct listing l;

	for (size_t i = 0; i < MR_ARRAY_LEN(words); i++)
		cr_assert_not_null(listing_parse(&l, words[i]), "%s", words[i]);
}

Test(listing, endpoints)
{
	struct mr_endpoint v4 = {.family = 4, .addr = {10, 1, 2, 3}, .port = 80};
	struct mr_endpoint v6 = {.family = 6, .addr = {0xfd, [15] = 1}, .port = 65535};
	char text[64];

	endpoint_text(&v4, text);
	cr_assert_str_eq(text, "10.1.2.3:80");
	endpoint_text(&v6, text);
	cr_assert_str_eq(text, "[fd00::1]:65535");
}

/* ---- For people ------------------------------------------------------------------------------ */

static void expect_text(const char *json, size_t piece, const char *expected)
{
	struct json_text t;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	json_text_init(&t, f, true);
	for (size_t at = 0; at < strlen(json); at += piece)
		json_text_feed(&t, json + at, MR_MIN(piece, strlen(json) - at));
	cr_assert(json_text_end(&t));
	fclose(f);
	cr_assert_str_eq(text, expected, "\n%s", text);
	free(text);
}

Test(json_text, objects_and_tables_in_any_pieces)
{
	static const char json[] = "{\"a\":1,\"zero\":0,\"o\":{\"k\":\"v\\\"w\\u000a\"},"
				   "\"rows\":[{\"id\":1,\"up\":true},{\"id\":2,\"up\":false}],"
				   "\"notes\":[\"n1\",\"n2\"]}";
	static const char expected[] =
		"a                          1\n"
		"o:\n"
		"  k                          v\"w?\n"
		"rows:\n"
		"  id  up\n"
		"  1   true\n"
		"  2   false\n"
		"notes:\n"
		"  - n1\n"
		"  - n2\n";

	for (size_t piece = 1; piece < sizeof(json); piece++)
		expect_text(json, piece, expected);
}

Test(json_text, columns_are_as_wide_as_what_stands_in_them)
{
	static const char json[] =
		"{\"connections\":[{\"state\":\"TIME_WAIT\",\"peer\":\"10.0.0.1:1\","
		"\"listener\":\"echo:7\",\"n\":0},"
		"{\"state\":\"ESTABLISHED\","
		"\"peer\":\"[fd00:1111:2222:3333:4444:5555:6666:7777]:65535\","
		"\"listener\":\"\xc3\xa4 name of thirty-one octets...\","
		"\"n\":18446744073709551615},"
		"{\"state\":\"SYN_RCVD\",\"peer\":\"10.0.0.2:2\",\"listener\":\"\",\"n\":7}]}";
	static const char expected[] =
		"connections:\n"
		"  state        peer                                             "
		"listener                        n\n"
		"  TIME_WAIT    10.0.0.1:1                                       "
		"echo:7                          0\n"
		"  ESTABLISHED  [fd00:1111:2222:3333:4444:5555:6666:7777]:65535  "
		"\xc3\xa4 name of thirty-one octets...  18446744073709551615\n"
		"  SYN_RCVD     10.0.0.2:2                                       "
		"                                7\n";

	for (size_t piece = 1; piece < sizeof(json); piece += 7)
		expect_text(json, piece, expected);
}

Test(json_text, what_has_many_keys_or_something_nested_is_printed_as_lines)
{
	static const char json[] =
		"{\"ports\":[{\"name\":\"p0\",\"b\":1,\"c\":0,\"d\":3,\"e\":4,\"f\":5,"
		"\"g\":6,\"h\":7,\"i\":8,\"j\":9,\"k\":\"eleven\",\"l\":0},"
		"{\"name\":\"p1\",\"b\":2}],"
		"\"workers\":[{\"id\":0,\"busy\":0.5,\"states\":{\"x\":0},\"list\":[]},"
		"{\"id\":1,\"busy\":0,\"states\":{\"x\":2}}]}";
	static const char expected[] =
		"ports:\n"
		"  - name                       p0\n"
		"    b                          1\n"
		"    d                          3\n"
		"    e                          4\n"
		"    f                          5\n"
		"    g                          6\n"
		"    h                          7\n"
		"    i                          8\n"
		"    j                          9\n"
		"    k                          eleven\n"
		"  name  b\n"
		"  p1    2\n"
		"workers:\n"
		"  - id                         0\n"
		"    busy                       0.5\n"
		"    states:\n"
		"      (all 0)\n"
		"    list:\n"
		"      (none)\n"
		"  - id                         1\n"
		"    states:\n"
		"      x                          2\n";

	for (size_t piece = 1; piece < sizeof(json); piece++)
		expect_text(json, piece, expected);
}

/* 300 rows, the 200th the widest: what is printed is printed in blocks that only grow wider. */
Test(json_text, a_long_table_is_printed_while_it_comes)
{
	struct json_text t;
	char *text = NULL, *row_200;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	json_text_init(&t, f, true);
	json_text_feed(&t, "{\"r\":[", 6);
	for (unsigned int i = 1; i <= 300; i++) {
		char row[64];
		int n = snprintf(row, sizeof(row), "%s{\"a\":\"%s\",\"b\":%u}", i == 1 ? "" : ",",
				 i == 200 ? "widest" : "x", i);

		json_text_feed(&t, row, (size_t)n);
		if (i == JSON_TEXT_ROWS_MAX) {
			fflush(f);
			cr_assert_not_null(strstr(text, "\n  x  128\n"), "it is held too long");
		}
	}
	json_text_feed(&t, "]}", 2);
	cr_assert(json_text_end(&t));
	fclose(f);
	row_200 = strstr(text, "\n  widest  200\n");
	cr_assert_not_null(row_200);
	cr_assert_not_null(strstr(text, "r:\n  a  b\n  x  1\n"));
	cr_assert_not_null(strstr(text, "\n  x  128\n  x       129\n"));
	cr_assert_not_null(strstr(row_200, "\n  x       300\n"));
	cr_assert_null(strstr(row_200, "a"), "one header is enough");
	free(text);
}

Test(json_text, whether_there_is_more_is_kept_apart)
{
	static const char json[] = "{\"rows\":[{\"more\":true}],\"count\":1,\"more\":true}";
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct json_text t;

	json_text_init(&t, f, true);
	json_text_feed(&t, json, strlen(json) - 6);
	cr_assert(!t.more, "the row's own is a cell");
	json_text_feed(&t, json + strlen(json) - 6, 6);
	cr_assert(json_text_end(&t));
	cr_assert(t.more);
	fclose(f);
	cr_assert_str_eq(text, "rows:\n  more\n  true\ncount                      1\n");
	free(text);
}

Test(json_text, an_error_is_kept_apart)
{
	static const char json[] = "{\"error\":\"no \\u001b[31m\"}";
	struct json_text t;

	json_text_init(&t, stdout, false);
	json_text_feed(&t, json, strlen(json));
	cr_assert(json_text_end(&t));
	cr_assert_str_eq(t.error_text, "no ?[31m", "what a terminal obeys is not printed");
}

Test(json_text, cut_off_or_malformed)
{
	static const char *const bad[] = {"{\"a\":1", "{\"a",	     "{]",
					  "[}",	      "\"\\uzzzz\"", "[[[[[[[[[[[[[[[[[1"};

	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		struct json_text t;
		FILE *f = fopen("/dev/null", "w");

		json_text_init(&t, f, false);
		json_text_feed(&t, bad[i], strlen(bad[i]));
		cr_assert(!json_text_end(&t), "%s", bad[i]);
		fclose(f);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listings of connections, page by page: each page is one visit at a worker between two bursts, of
 * bounded work, and the next one is asked for only when the client has read this one. So neither a
 * table of millions nor a slow client holds anything up. A connection that moves while it is listed
 * may be missed or appear twice.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_impl.h"

/* A visit looks at so many records: about 100 microseconds when every one is a cache miss. */
#define PAGE_STEPS	1024u
#define PAGE_ROWS	128u
/* Visits without a row are made at once, up to so many, before the client is looked at again. */
#define PAGE_VISITS	64u

struct page {
	struct listing *listing;
	struct stack_conn_row row[PAGE_ROWS];
	uint32_t count;
};

void endpoint_text(const struct mr_endpoint *e, char text[64])
{
	char addr[INET6_ADDRSTRLEN] = "?";

	inet_ntop(e->family == 4 ? AF_INET : AF_INET6, e->addr, addr, sizeof(addr));
	snprintf(text, 64, e->family == 4 ? "%s:%u" : "[%s]:%u", addr, e->port);
}

/* ---- What is asked for ----------------------------------------------------------------------- */

static const char *parse_state(struct listing *l, const char *value)
{
	for (unsigned int bit = 0; bit < TCP_STATES; bit++) {
		if (strcasecmp(tcp_state_name(1u << bit), value) == 0) {
			l->state_mask |= 1u << bit;
			return NULL;
		}
	}
	return "state: expected a state of RFC 9293, as ESTABLISHED or TIME_WAIT";
}

static const char *parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || value == 0 || value > 65535)
		return "peer: expected a port 1 .. 65535 behind the address";
	*port = (uint16_t)value;
	return NULL;
}

/* "10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]:80". */
static const char *parse_peer(struct listing *l, const char *value)
{
	char addr[INET6_ADDRSTRLEN + 1];
	bool bracket = value[0] == '[';
	const char *colon = strchr(value, ':');
	bool v6 = bracket || (colon != NULL && strchr(colon + 1, ':') != NULL);
	size_t len = bracket ? strcspn(++value, "]") : v6 ? strlen(value) : strcspn(value, ":");
	const char *rest = value + len;

	if (len >= sizeof(addr) || (bracket && *rest != ']'))
		return "peer: expected an address, or address:port";
	memcpy(addr, value, len);
	addr[len] = '\0';
	l->has_peer = true;
	l->peer.family = v6 ? 6 : 4;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, addr, l->peer.addr) != 1)
		return "peer: expected an address, or address:port";
	rest += bracket;
	if (*rest == '\0')
		return NULL;
	return *rest == ':' ? parse_port(rest + 1, &l->peer.port)
			    : "peer: expected an address, or address:port";
}

static const char *parse_limit(struct listing *l, const char *value)
{
	char *end;

	l->limit = strtoull(value, &end, 10);
	if (l->limit == 0)
		l->limit = UINT64_MAX;
	return value[0] >= '0' && value[0] <= '9' && *end == '\0'
		       ? NULL
		       : "limit: expected a whole number, 0 for no limit";
}

static const char *parse_word(struct listing *l, const char *word)
{
	if (strncmp(word, "state=", 6) == 0)
		return parse_state(l, word + 6);
	if (strncmp(word, "peer=", 5) == 0)
		return parse_peer(l, word + 5);
	if (strncmp(word, "limit=", 6) == 0)
		return parse_limit(l, word + 6);
	return "expected state=, peer= or limit=";
}

const char *listing_parse(struct listing *l, const char *words)
{
	char copy[REQUEST_MAX], *save = NULL;
	const char *wrong = NULL;

	*l = (struct listing){.limit = UINT64_MAX};
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &save); word != NULL && wrong == NULL;
	     word = strtok_r(NULL, " ", &save))
		wrong = parse_word(l, word);
	return wrong;
}

/* ---- Pages ----------------------------------------------------------------------------------- */

/* On the worker. */
static void fill_page(struct mr_worker *w, void *arg)
{
	struct page *page = arg;
	struct listing *l = page->listing;
	struct stack_query query = {
		.state_mask = l->state_mask,
		.peer = l->has_peer ? &l->peer : NULL,
		.steps = PAGE_STEPS,
	};

	page->count = stack_list(w, &l->cursor, &query, page->row, PAGE_ROWS);
}

static void put_row(struct json *j, unsigned int worker, const struct stack_conn_row *row)
{
	char text[64];

	json_open_object(j);
	json_put_string(j, "state", tcp_state_name(row->state));
	endpoint_text(&row->local, text);
	json_put_string(j, "local", text);
	endpoint_text(&row->remote, text);
	json_put_string(j, "peer", text);
	json_put_string(j, "listener", row->listener);
	json_put_uint(j, "send_queued", row->send_queued);
	json_put_uint(j, "recv_unread", row->recv_unread);
	json_put_uint(j, "worker", worker);
	json_close_object(j);
}

/*
 * stack_list() compares addresses only; the port is looked at here. The row behind the limit is
 * waited for, so that `more` is never a guess.
 */
static void put_page(struct answer *a, const struct page *page)
{
	struct listing *l = &a->listing;

	for (uint32_t i = 0; i < page->count && !l->more; i++) {
		const struct stack_conn_row *row = &page->row[i];

		if (l->peer.port != 0 && row->remote.port != l->peer.port)
			continue;
		if (l->rows == l->limit) {
			l->more = true;
			return;
		}
		put_row(&a->json, l->worker, row);
		l->rows++;
	}
}

void listing_begin(struct answer *a)
{
	json_open_object(&a->json);
	json_key(&a->json, "connections");
	json_open_array(&a->json);
	a->more = true;
}

static void finish(struct answer *a, const char *error)
{
	json_close_array(&a->json);
	json_put_uint(&a->json, "count", a->listing.rows);
	json_put_bool(&a->json, "more", a->listing.more);
	if (error != NULL)
		json_put_string(&a->json, "error", error);
	json_close_object(&a->json);
	a->more = false;
}

void listing_page(const struct control_config *cfg, struct answer *a)
{
	struct listing *l = &a->listing;
	struct page *page = malloc(sizeof(*page));
	size_t before = a->json.len;

	if (page != NULL)
		page->listing = l;
	for (unsigned int visit = 0; page != NULL && visit < PAGE_VISITS && a->json.len == before;
	     visit++) {
		if (l->worker >= engine_workers(cfg->engine) || l->more) {
			finish(a, NULL);
			break;
		}
		if (!engine_call(cfg->engine, l->worker, fill_page, page, CALL_WAIT_MS)) {
			finish(a, "a worker did not answer");
			break;
		}
		put_page(a, page);
		if (l->cursor.done) {
			l->cursor = (struct stack_cursor){0};
			l->worker++;
		}
	}
	if (page == NULL)
		finish(a, "no memory");
	free(page);
}

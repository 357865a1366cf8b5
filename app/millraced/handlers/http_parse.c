/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1 requests by libhttp-parser: see http_parse.h. The library checks the syntax; what it
 * leaves to its user is here: the length of head, target and body, the Host field, the version,
 * methods.
 */
#include <stdio.h>
#include <string.h>
#include <http_parser.h>

#include "check.h"

#include "http_parse.h"

static_assert(sizeof(struct http_parser) <= sizeof(((struct http_request *)0)->parser),
	      "the library's state must fit its place in struct http_request");
static_assert(alignof(struct http_parser) <= alignof(uint64_t), "and be aligned there");

static struct http_parser *parser_of(struct http_request *r)
{
	return (struct http_parser *)(void *)r->parser;
}

/* Remembers the first error; the library stops at a callback that returns non-zero. */
static int refuse(struct http_request *r, uint16_t status)
{
	if (r->status == 0)
		r->status = status;
	return -1;
}

static int on_url(struct http_parser *p, const char *at, size_t len)
{
	struct http_request *r = p->data;

	if (r->text_len + len > sizeof(r->text))
		return refuse(r, 414); /* RFC 9110 15.5.15 */
	memcpy(r->text + r->text_len, at, len);
	r->text_len = (uint16_t)(r->text_len + len);
	return 0;
}

/* Matches the name of a field against "host"; 0xff: it differs. Trailers come after the head. */
static int on_header_field(struct http_parser *p, const char *at, size_t len)
{
	static const char host[] = "host";
	struct http_request *r = p->data;

	if (memchr(at, ' ', len) != NULL) /* the library lets it pass; RFC 9112 5.1 says 400 */
		return refuse(r, 400);
	if (r->in_value)
		r->host_match = 0;
	r->in_value = false;
	for (size_t i = 0; i < len && r->host_match != 0xff; i++) {
		if (r->host_match < sizeof(host) - 1 && (at[i] | 0x20) == host[r->host_match])
			r->host_match++;
		else
			r->host_match = 0xff;
	}
	return 0;
}

static int on_header_value(struct http_parser *p, const char *at, size_t len)
{
	struct http_request *r = p->data;

	(void)at, (void)len;
	if (!r->in_value && r->host_match == 4 && !r->in_body && r->hosts < 2)
		r->hosts++;
	r->in_value = true;
	return 0;
}

static bool has_body(const struct http_parser *p)
{
	return (p->flags & F_CHUNKED) != 0 ||
	       (p->content_length != 0 && p->content_length != UINT64_MAX);
}

static int on_headers_complete(struct http_parser *p)
{
	struct http_request *r = p->data;

	r->in_body = true;
	r->http10 = p->http_major == 1 && p->http_minor == 0;
	if (p->http_major != 1)
		return refuse(r, 505); /* RFC 9110 15.6.6 */
	if (r->hosts > 1 || (r->hosts == 0 && !r->http10))
		return refuse(r, 400); /* RFC 9112 3.2 */
	r->verb = HTTP_VERB_OTHER;
	if (p->method == HTTP_GET)
		r->verb = HTTP_VERB_GET;
	else if (p->method == HTTP_HEAD)
		r->verb = HTTP_VERB_HEAD;
	/* A body that nobody wants is not waited for; CONNECT would turn the rest into something
	 * else. */
	if (r->verb == HTTP_VERB_OTHER && (has_body(p) || p->method == HTTP_CONNECT))
		return refuse(r, 405);
	if (r->verb == HTTP_VERB_OTHER)
		r->status = 405;
	if ((p->flags & F_CONTENTLENGTH) != 0 && p->content_length != UINT64_MAX &&
	    p->content_length > HTTP_REQUEST_BODY_MAX)
		return refuse(r, 413);
	p->upgrade = 0; /* RFC 9110 7.8: an Upgrade field may be ignored */
	return 0;
}

static int on_body(struct http_parser *p, const char *at, size_t len)
{
	struct http_request *r = p->data;

	(void)at;
	r->body_octets += (uint32_t)len;
	return r->body_octets > HTTP_REQUEST_BODY_MAX ? refuse(r, 413) : 0;
}

static int on_message_complete(struct http_parser *p)
{
	struct http_request *r = p->data;

	r->keep_alive = http_should_keep_alive(p) != 0;
	r->complete = true;
	http_parser_pause(p, 1); /* what follows is the next request */
	return 0;
}

static const struct http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void http_request_init(struct http_request *r)
{
	struct http_parser *p = parser_of(r);

	memset(r, 0, offsetof(struct http_request, text));
	http_parser_init(p, HTTP_REQUEST);
	p->data = r;
}

static enum http_parse_result bad(struct http_request *r, uint16_t status)
{
	refuse(r, status);
	return HTTP_PARSE_BAD;
}

/*
 * The head is fed only up to its limit, so that it is exact however the octets were cut. In the
 * body the library is fed what there is: body octets and chunk headers are bounded by on_body()
 * and by the library's own bound on heads (80 KB), which also covers trailers.
 */
uint32_t http_request_feed(struct http_request *r, const char *data, uint32_t len,
			   uint32_t header_max, enum http_parse_result *result)
{
	struct http_parser *p = parser_of(r);
	uint32_t room = header_max - r->octets;
	bool in_head = !r->in_body;
	uint32_t offered = in_head ? MR_MIN(len, room) : len;
	uint32_t used;

	MR_ASSERT(len > 0 && r->octets <= header_max && !r->complete);
	if (offered == 0) {
		*result = bad(r, 431);
		return 0;
	}
	used = (uint32_t)http_parser_execute(p, &settings, data, offered);
	if (in_head)
		r->octets += MR_MIN(used, offered);
	*result = HTTP_PARSE_MORE;
	if (r->complete)
		*result = HTTP_PARSE_DONE;
	else if (HTTP_PARSER_ERRNO(p) != HPE_OK)
		*result = bad(r, HTTP_PARSER_ERRNO(p) == HPE_HEADER_OVERFLOW ? 431 : 400);
	else if (used < len && in_head && !r->in_body)
		*result = bad(r, 431);
	return MR_MIN(used, len);
}

/* ---- The target ------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool percent_decode(const char *s, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(s[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (n + 1 >= cap)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

bool http_request_path(const struct http_request *r, char *path, size_t cap)
{
	struct http_parser_url url;

	http_parser_url_init(&url);
	if (r->text_len == 0 || http_parser_parse_url(r->text, r->text_len, 0, &url) != 0)
		return false;
	if ((url.field_set & (1 << UF_PATH)) == 0) { /* http://host: RFC 9110 4.2.3 */
		snprintf(path, cap, "/");
		return true;
	}
	return percent_decode(r->text + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len,
			      path, cap);
}

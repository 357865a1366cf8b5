/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Just enough of an HTTP/1.1 response (RFC 9112) for a load generator: its status class, its
 * Content-Length, where it ends. One octet of state a connection, fed as the octets come. A
 * response without Content-Length ends with the connection; chunked bodies are not taken apart.
 */
#ifndef MB_HTTP_H
#define MB_HTTP_H

#include "attr.h"

#define MB_HTTP_NO_LENGTH UINT32_MAX

enum mb_http_result {
	MB_HTTP_MORE, /* the response goes on */
	MB_HTTP_DONE, /* it is complete */
	MB_HTTP_BAD,  /* no HTTP/1.x, not 2xx, or a length of 4 GB and more */
};

/** Begins a response: *state and *left as a slot keeps them. */
void mb_http_begin(uint8_t *state, uint32_t *left);
/**
 * Takes n octets. *left counts down the body, MB_HTTP_NO_LENGTH as long as no length is known. DONE
 * only if exactly n octets completed it: more than the response is BAD, as nothing was pipelined.
 */
enum mb_http_result mb_http_feed(uint8_t *state, uint32_t *left, const char *octets, uint32_t n);
/** May the connection end here: in a body of unknown length? */
bool mb_http_may_end(uint8_t state, uint32_t left);

#endif /* MB_HTTP_H */

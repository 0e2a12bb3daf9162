/* The parts of a libcurl easy handle that a handshake or a request needs.
 *
 * The caller owns the handle from ws_easy_new to ws_easy_free, and uses it from
 * one thread at a time. Nothing here touches Python; ws_easy_perform blocks, so
 * call it without the GIL (cffi releases it) and off the event loop's thread.
 */
#ifndef WS_EASY_H
#define WS_EASY_H

#include <stddef.h>
#include <stdint.h>

typedef struct ws_easy ws_easy;

/* NULL when out of memory, or when no provider is loaded. */
ws_easy *ws_easy_new(void);
/* Closes the connection, if any, without a CLOSE frame. NULL is allowed. */
void ws_easy_free(ws_easy *easy);

/* As new, but for connections, which the next ws_easy_perform may use again. */
void ws_easy_reset(ws_easy *easy);

/* Each returns a CURLcode, CURLE_BAD_FUNCTION_ARGUMENT if the option takes another
 * kind of value. Strings are copied by libcurl. */
int ws_easy_set_long(ws_easy *easy, int option, long value);
int ws_easy_set_off(ws_easy *easy, int option, int64_t value);
int ws_easy_set_string(ws_easy *easy, int option, const char *value);
/* Appends one line to a list option; the list lives as long as the handle. */
int ws_easy_add_line(ws_easy *easy, int option, const char *line);
/* The number of an option of that name (without CURLOPT_), 0 if the provider has
 * none: libcurl-impersonate has more than libcurl, and they are in no public header. */
int ws_easy_option_named(const char *name);
int ws_easy_impersonate(ws_easy *easy, const char *target, int default_headers);

/* The body to send, copied: makes it a POST until CURLOPT_CUSTOMREQUEST says otherwise. */
int ws_easy_set_body(ws_easy *easy, const void *data, size_t size);
/* Keep the next reply's body, at most `limit` bytes of it after content decoding; a
 * longer one ends the transfer with CURLE_WRITE_ERROR. Without this call bodies are
 * thrown away. Call it before each perform. */
int ws_easy_collect(ws_easy *easy, size_t limit);
/* What has been collected; NULL if nothing. Borrowed until the next ws_easy_collect. */
const unsigned char *ws_easy_body(const ws_easy *easy, size_t *size);
int ws_easy_body_too_large(const ws_easy *easy);

/* The blocking handshake or request. Ends within about a second after ws_easy_abort. */
int ws_easy_perform(ws_easy *easy);
/* Callable from any thread, at any time before ws_easy_free. */
void ws_easy_abort(ws_easy *easy);

const char *ws_easy_strerror(int code);
/* The last perform's own words on its failure; empty if it had none. Borrowed. */
const char *ws_easy_error_text(ws_easy *easy);
long ws_easy_response_code(ws_easy *easy);
int ws_easy_socket(ws_easy *easy); /* -1 if not connected */

/* What curl_easy_getinfo says; info must be of the function's kind. Each returns a
 * CURLcode. A string is borrowed until the next call on the handle, and may be NULL. */
int ws_easy_info_long(ws_easy *easy, int info, long *value);
int ws_easy_info_off(ws_easy *easy, int info, int64_t *value);
int ws_easy_info_double(ws_easy *easy, int info, double *value);
int ws_easy_info_string(ws_easy *easy, int info, const char **value);

/* One header of the last reply after the other, in order of arrival: the first if
 * `rewind`, else the one after the last call's. 1 and borrowed name and value (valid
 * until the next perform or header call), or 0. libcurl walks all headers for each. */
int ws_easy_next_header(ws_easy *easy, int rewind, const char **name, const char **value);

/* The libcurl handle itself, for transport.c. */
void *ws_easy_handle(ws_easy *easy);

#endif

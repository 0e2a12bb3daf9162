/* What a reply's body is collected in: all of it, or nothing beyond a limit.
 *
 * Owned by whoever embeds it (an easy handle); zeroed is empty with a limit of 0.
 * ws_body_write runs inside curl_easy_perform, on its thread, without the GIL;
 * nothing else may touch the body meanwhile.
 */
#ifndef WS_BODY_H
#define WS_BODY_H

#include <stddef.h>

#include "bytes.h"

typedef enum { WS_BODY_OK, WS_BODY_TOO_LARGE, WS_BODY_NO_MEMORY } ws_body_status;

typedef struct {
    ws_bytes bytes;
    size_t limit; /* in bytes, after content decoding */
    ws_body_status status;
} ws_body;

/* Empties it, keeping the memory, for at most `limit` bytes. */
void ws_body_begin(ws_body *body, size_t limit);
/* libcurl's write callback; context is the ws_body. Anything but size * count ends the
 * transfer with CURLE_WRITE_ERROR, and `status` says why. */
size_t ws_body_write(const char *data, size_t size, size_t count, void *context);
void ws_body_free(ws_body *body);

#endif

#include "body.h"

void ws_body_begin(ws_body *body, size_t limit) {
    body->bytes.size = 0;
    body->limit = limit;
    body->status = WS_BODY_OK;
}

size_t ws_body_write(const char *data, size_t size, size_t count, void *context) {
    ws_body *body = context;
    size_t arrived = size * count; /* libcurl's size is always 1 */
    if (arrived > body->limit - body->bytes.size) {
        body->status = WS_BODY_TOO_LARGE;
        return arrived + 1; /* of nothing, 0 would mean that all went well */
    }
    if (ws_bytes_append(&body->bytes, data, arrived) != 0) {
        body->status = WS_BODY_NO_MEMORY;
        return arrived + 1;
    }
    return arrived;
}

void ws_body_free(ws_body *body) { ws_bytes_free(&body->bytes); }

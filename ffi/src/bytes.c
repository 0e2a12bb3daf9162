#include "bytes.h"

#include <stdlib.h>
#include <string.h>

int ws_bytes_reserve(ws_bytes *bytes, size_t extra) {
    if (extra > SIZE_MAX / 2 - bytes->size) return -1;
    size_t needed = bytes->size + extra;
    if (needed <= bytes->capacity) return 0;
    size_t capacity = bytes->capacity ? bytes->capacity : 256;
    while (capacity < needed) capacity *= 2;
    uint8_t *data = realloc(bytes->data, capacity);
    if (!data) return -1;
    bytes->data = data;
    bytes->capacity = capacity;
    return 0;
}

int ws_bytes_append(ws_bytes *bytes, const void *data, size_t size) {
    if (ws_bytes_reserve(bytes, size) != 0) return -1;
    if (size) memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 0;
}

void ws_bytes_drop_front(ws_bytes *bytes, size_t count) {
    bytes->size -= count;
    if (bytes->size == 0) {
        /* An idle connection keeps no buffer: a process may hold thousands. */
        ws_bytes_free(bytes);
        return;
    }
    memmove(bytes->data, bytes->data + count, bytes->size);
}

void ws_bytes_free(ws_bytes *bytes) {
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

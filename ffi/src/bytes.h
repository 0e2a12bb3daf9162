/* A growable byte buffer. Owned by whoever embeds it; zeroed is empty. */
#ifndef WS_BYTES_H
#define WS_BYTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} ws_bytes;

/* Both return 0, or -1 when out of memory (the buffer is then unchanged). */
int ws_bytes_append(ws_bytes *bytes, const void *data, size_t size);
int ws_bytes_reserve(ws_bytes *bytes, size_t extra);
/* count <= size. The memory is released when nothing is left. */
void ws_bytes_drop_front(ws_bytes *bytes, size_t count);
void ws_bytes_free(ws_bytes *bytes);

#endif

#include "deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "zlib_api.h"

/* What every compressed message ends with, and what is left out on the wire
 * (RFC 7692, section 7.2.1). */
static const uint8_t tail[4] = {0x00, 0x00, 0xFF, 0xFF};

enum { MEM_LEVEL = 8, FIRST_GUESS = 4 };

struct ws_inflater {
    ws_z_stream z;
    int takeover;
};

struct ws_deflater {
    ws_z_stream z;
    int window_bits, takeover, level, ready;
};

ws_inflater *ws_inflater_new(int window_bits, int takeover) {
    if (!ws_zlib_available()) return NULL;
    ws_inflater *inflater = calloc(1, sizeof *inflater);
    if (!inflater) return NULL;
    inflater->takeover = takeover;
    /* Negative: a raw stream. */
    if (ws_zlib.inflate_init2(&inflater->z, -window_bits, ws_zlib.version(),
                              (int)sizeof inflater->z) != WS_Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void ws_inflater_free(ws_inflater *inflater) {
    if (!inflater) return;
    ws_zlib.inflate_end(&inflater->z);
    free(inflater);
}

/* A block marked as final ends zlib's stream, but not ours (7.2.3.4): begin another
 * one that still knows the window. Copying the window out and in again would let two
 * bytes of input cost microseconds. */
static int continue_stream(ws_z_stream *z) {
    return ws_zlib.inflate_reset_keep(z) == WS_Z_OK ? 0 : -1;
}

/* Makes room in out; one byte more than max_size, so that "too large" shows. */
static ws_inflate_status make_room(ws_builder *out, size_t input, uint64_t max_size) {
    uint64_t room = out->capacity - out->size;
    if (room) return WS_INFLATE_OK;
    uint64_t most = max_size + 1 - out->size;
    uint64_t extra = out->capacity ? out->capacity : (uint64_t)input * FIRST_GUESS + 64;
    if (extra > most) extra = most;
    return ws_builder_reserve(out, extra) == 0 ? WS_INFLATE_OK : WS_INFLATE_NO_MEMORY;
}

ws_inflate_status ws_inflater_feed(ws_inflater *inflater, const uint8_t *data, size_t size,
                                   ws_builder *out, uint64_t max_size) {
    ws_z_stream *z = &inflater->z;
    size_t left = size;
    z->next_in = data;
    z->avail_in = 0;
    for (;;) {
        if (z->avail_in == 0 && left) {
            z->avail_in = left > UINT_MAX ? UINT_MAX : (unsigned)left;
            left -= z->avail_in;
        }
        ws_inflate_status status = make_room(out, size, max_size);
        if (status != WS_INFLATE_OK) return status;
        uint64_t room = out->capacity - out->size;
        if (room > max_size + 1 - out->size) room = max_size + 1 - out->size;
        if (room > UINT_MAX) room = UINT_MAX;
        z->next_out = ws_builder_end(out);
        z->avail_out = (unsigned)room;
        int code = ws_zlib.inflate(z, WS_Z_SYNC_FLUSH);
        out->size += room - z->avail_out;
        if (out->size > max_size) return WS_INFLATE_TOO_LARGE;
        if (code == WS_Z_STREAM_END) {
            if (continue_stream(z) != 0) return WS_INFLATE_NO_MEMORY;
        } else if (code == WS_Z_MEM_ERROR) {
            return WS_INFLATE_NO_MEMORY;
        } else if (code != WS_Z_OK && code != WS_Z_BUF_ERROR) {
            return WS_INFLATE_BAD_DATA;
        }
        /* Room left and nothing to read: all that this input gives is out. */
        if (z->avail_in == 0 && left == 0 && z->avail_out) return WS_INFLATE_OK;
    }
}

ws_inflate_status ws_inflater_end(ws_inflater *inflater, ws_builder *out, uint64_t max_size) {
    ws_inflate_status status = ws_inflater_feed(inflater, tail, sizeof tail, out, max_size);
    if (status == WS_INFLATE_OK && !inflater->takeover &&
        ws_zlib.inflate_reset(&inflater->z) != WS_Z_OK)
        return WS_INFLATE_BAD_DATA;
    return status;
}

ws_deflater *ws_deflater_new(int window_bits, int takeover, int level) {
    if (!ws_zlib_available()) return NULL;
    ws_deflater *deflater = calloc(1, sizeof *deflater);
    if (!deflater) return NULL;
    deflater->window_bits = window_bits;
    deflater->takeover = takeover;
    deflater->level = level;
    return deflater;
}

void ws_deflater_free(ws_deflater *deflater) {
    if (!deflater) return;
    if (deflater->ready) ws_zlib.deflate_end(&deflater->z);
    free(deflater);
}

static int get_ready(ws_deflater *deflater) {
    if (deflater->ready) return 0;
    if (ws_zlib.deflate_init2(&deflater->z, deflater->level, WS_Z_DEFLATED,
                              -deflater->window_bits, MEM_LEVEL, WS_Z_DEFAULT_STRATEGY,
                              ws_zlib.version(), (int)sizeof deflater->z) != WS_Z_OK)
        return -1;
    deflater->ready = 1;
    return 0;
}

int ws_deflater_feed(ws_deflater *deflater, const uint8_t *data, size_t size, int fin,
                     ws_bytes *out) {
    if (get_ready(deflater) != 0) return -1;
    ws_z_stream *z = &deflater->z;
    size_t left = size;
    const size_t before = out->size;
    z->next_in = data;
    z->avail_in = 0;
    do {
        if (z->avail_in == 0 && left) {
            z->avail_in = left > UINT_MAX ? UINT_MAX : (unsigned)left;
            left -= z->avail_in;
        }
        /* What the rest would take if it did not shrink, and the flush's own bytes. */
        size_t room = (size_t)z->avail_in + 64;
        if (room > 65536) room = 65536;
        if (ws_bytes_reserve(out, room) != 0) return -1;
        z->next_out = out->data + out->size;
        z->avail_out = (unsigned)room;
        int code = ws_zlib.deflate(z, WS_Z_SYNC_FLUSH);
        if (code != WS_Z_OK && code != WS_Z_BUF_ERROR) return -1;
        out->size += room - z->avail_out;
    } while (z->avail_in || left || z->avail_out == 0);
    if (!fin) return 0;
    if (out->size == before) {
        /* Nothing to flush: an empty block, whose other bytes are the tail (7.2.3.6). */
        const uint8_t empty_block = 0;
        if (ws_bytes_append(out, &empty_block, 1) != 0) return -1;
    } else {
        out->size -= sizeof tail; /* every flush ends with it */
    }
    if (!deflater->takeover && ws_zlib.deflate_reset(z) != WS_Z_OK) return -1;
    return 0;
}

/* permessage-deflate: one direction's compression state (RFC 7692, section 7).
 *
 * Owned by the receiver or sender that uses it. Hold the GIL for the inflater (it
 * writes into a ws_builder); the deflater needs none.
 */
#ifndef WS_DEFLATE_H
#define WS_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "builder.h"
#include "bytes.h"

typedef struct ws_inflater ws_inflater;
typedef struct ws_deflater ws_deflater;

typedef enum {
    WS_INFLATE_OK = 0,
    WS_INFLATE_TOO_LARGE, /* the message would exceed max_size */
    WS_INFLATE_BAD_DATA,
    WS_INFLATE_NO_MEMORY,
} ws_inflate_status;

/* window_bits: 8 to 15, as negotiated for the peer. takeover: the window lives on
 * from one message to the next. NULL when out of memory or without a zlib. */
ws_inflater *ws_inflater_new(int window_bits, int takeover);
void ws_inflater_free(ws_inflater *inflater); /* NULL is allowed */
/* Inflates one piece of a message's payload to the end of out, which never grows
 * beyond max_size bytes and one: a bomb costs no more memory than a message may. A peer
 * that looks back further than its window_bits allow is sure to fail only where it
 * looks beyond the piece at hand: that is how zlib checks it. */
ws_inflate_status ws_inflater_feed(ws_inflater *inflater, const uint8_t *data, size_t size,
                                   ws_builder *out, uint64_t max_size);
/* To be called behind a message's last piece. */
ws_inflate_status ws_inflater_end(ws_inflater *inflater, ws_builder *out, uint64_t max_size);

/* window_bits: 9 to 15. The state of about 256 KiB is made at the first use. */
ws_deflater *ws_deflater_new(int window_bits, int takeover, int level);
void ws_deflater_free(ws_deflater *deflater); /* NULL is allowed */
/* Appends the compressed form of one piece of a message; fin: its last one. Returns
 * 0, or -1 when out of memory. */
int ws_deflater_feed(ws_deflater *deflater, const uint8_t *data, size_t size, int fin,
                     ws_bytes *out);

#endif

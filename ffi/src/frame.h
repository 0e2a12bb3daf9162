/* Frame headers (RFC 6455, section 5.2) and close bodies (5.5.1). Pure; no Python. */
#ifndef WS_FRAME_H
#define WS_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    WS_OP_CONT = 0x0,
    WS_OP_TEXT = 0x1,
    WS_OP_BINARY = 0x2,
    WS_OP_CLOSE = 0x8,
    WS_OP_PING = 0x9,
    WS_OP_PONG = 0xA,
};

enum { WS_HEADER_MAX = 14, WS_CONTROL_MAX = 125 };

enum { WS_RSV1 = 4 }; /* in ws_frame_header.rsv */

typedef struct {
    uint64_t size; /* of the payload */
    uint8_t fin, rsv, opcode, masked;
    uint8_t length; /* of the header itself, mask key included */
} ws_frame_header;

/* How many bytes a header has, judging by its first size bytes. With fewer than
 * two that is 2: ask again when they are there. */
size_t ws_frame_header_need(const uint8_t *data, size_t size);

/* Decodes a whole header (as many bytes as ws_frame_header_need says). */
void ws_frame_header_decode(const uint8_t *data, ws_frame_header *header);

/* Writes a masked client header with its key. Returns its length, at most
 * WS_HEADER_MAX. */
size_t ws_frame_header_encode(uint8_t target[WS_HEADER_MAX], int fin, int rsv, int opcode,
                              uint64_t size, const uint8_t key[4]);

/* 1 if a peer may send this code in a CLOSE frame (7.4). */
int ws_close_code_valid(unsigned code);

#endif

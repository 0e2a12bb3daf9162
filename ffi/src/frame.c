#include "frame.h"

#include <string.h>

size_t ws_frame_header_need(const uint8_t *data, size_t size) {
    if (size < 2) return 2;
    size_t need = 2;
    unsigned short_size = data[1] & 0x7F;
    if (short_size == 126) need += 2;
    if (short_size == 127) need += 8;
    if (data[1] & 0x80) need += 4;
    return need;
}

static uint64_t read_big_endian(const uint8_t *data, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) value = value << 8 | data[i];
    return value;
}

void ws_frame_header_decode(const uint8_t *data, ws_frame_header *header) {
    header->fin = data[0] >> 7;
    header->rsv = data[0] >> 4 & 7;
    header->opcode = data[0] & 0xF;
    header->masked = data[1] >> 7;
    header->size = data[1] & 0x7F;
    header->length = (uint8_t)ws_frame_header_need(data, 2);
    if (header->size == 126)
        header->size = read_big_endian(data + 2, 2);
    else if (header->size == 127)
        header->size = read_big_endian(data + 2, 8);
}

size_t ws_frame_header_encode(uint8_t target[WS_HEADER_MAX], int fin, int rsv, int opcode,
                              uint64_t size, const uint8_t key[4]) {
    size_t length = 2;
    size_t extended = size < 126 ? 0 : size <= 0xFFFF ? 2 : 8;
    target[0] = (uint8_t)(fin << 7 | rsv << 4 | opcode);
    target[1] = (uint8_t)(0x80 | (extended == 0 ? size : extended == 2 ? 126 : 127));
    for (size_t i = 0; i < extended; i++)
        target[length++] = (uint8_t)(size >> (8 * (extended - 1 - i)));
    memcpy(target + length, key, 4);
    return length + 4;
}

int ws_close_code_valid(unsigned code) {
    if (code >= 3000 && code <= 4999) return 1;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

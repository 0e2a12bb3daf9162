#include "wire.h"

#include <string.h>

size_t wire_decode(uint8_t *data, size_t size, wire_frame *frame) {
    FUZZ_ASSERT(size >= 6 && data[1] & 0x80);
    size_t at = 2;
    uint64_t length = data[1] & 0x7F;
    if (length >= 126) {
        at = length == 126 ? 4 : 10;
        FUZZ_ASSERT(size >= at);
        length = 0;
        for (size_t i = 2; i < at; i++) length = length * 256 + data[i];
        FUZZ_ASSERT(length > (at == 4 ? 125u : 65535u));
    }
    const uint8_t *key = data + at;
    at += 4;
    FUZZ_ASSERT(size >= at && size - at >= length);
    for (size_t i = 0; i < length; i++) data[at + i] ^= key[i % 4];
    *frame = (wire_frame){data[0] / 128, data[0] / 16 % 8, data[0] % 16, data + at, (size_t)length};
    return at + (size_t)length;
}

size_t wire_encode(uint8_t *target, const wire_frame *frame) {
    size_t at = 0;
    const size_t size = frame->size;
    target[at++] = (uint8_t)(frame->fin * 128 + frame->rsv * 16 + frame->opcode);
    if (size < 126) {
        target[at++] = (uint8_t)size;
    } else if (size < 65536) {
        target[at++] = 126;
        target[at++] = (uint8_t)(size / 256);
        target[at++] = (uint8_t)(size % 256);
    } else {
        target[at++] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            target[at++] = (uint8_t)((uint64_t)size >> shift);
    }
    memcpy(target + at, frame->payload, size);
    return at + size;
}

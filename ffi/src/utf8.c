#include "utf8.h"

#include <string.h>

/* Market data is nearly always ASCII: find the first byte that is not, 32 at a
 * time. */
static size_t ascii_prefix(const uint8_t *data, size_t size) {
    const uint64_t high_bits = 0x8080808080808080ull;
    size_t i = 0;
    for (; i + 32 <= size; i += 32) {
        uint64_t words[4];
        memcpy(words, data + i, 32);
        if ((words[0] | words[1] | words[2] | words[3]) & high_bits) break;
    }
    while (i < size && data[i] < 0x80) i++;
    return i;
}

/* Opens a multi-byte character: RFC 3629, section 4. The second byte's range
 * excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
static int open_sequence(ws_utf8 *state, uint8_t lead) {
    state->low = 0x80;
    state->high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        state->pending = 1;
    } else if ((lead & 0xF0) == 0xE0) {
        state->pending = 2;
        if (lead == 0xE0) state->low = 0xA0;
        if (lead == 0xED) state->high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        state->pending = 3;
        if (lead == 0xF0) state->low = 0x90;
        if (lead == 0xF4) state->high = 0x8F;
    } else {
        return 0;
    }
    return 1;
}

int ws_utf8_feed(ws_utf8 *state, const uint8_t *data, size_t size) {
    size_t i = 0;
    while (i < size) {
        if (state->pending == 0) {
            i += ascii_prefix(data + i, size - i);
            if (i == size) return 1;
            if (!open_sequence(state, data[i++])) return 0;
            continue;
        }
        if (data[i] < state->low || data[i] > state->high) return 0;
        state->low = 0x80;
        state->high = 0xBF;
        state->pending--;
        i++;
    }
    return 1;
}

int ws_utf8_done(const ws_utf8 *state) { return state->pending == 0; }

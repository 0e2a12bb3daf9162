/* Incremental UTF-8 validation (RFC 3629). No Python. */
#ifndef WS_UTF8_H
#define WS_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed is the start. Between calls it remembers a character cut in two. */
typedef struct {
    uint8_t pending;     /* continuation bytes still missing */
    uint8_t low, high;   /* what the next byte may be */
} ws_utf8;

/* Returns 1 while everything fed so far can be the start of valid UTF-8, else 0. */
int ws_utf8_feed(ws_utf8 *state, const uint8_t *data, size_t size);
/* Returns 1 if nothing is cut off at the end. */
int ws_utf8_done(const ws_utf8 *state);

#endif

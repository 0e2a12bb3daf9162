/* Client frames, decoded plainly and independently of the code under test. */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include "fuzz.h"

typedef struct {
    int fin, rsv, opcode;
    uint8_t *payload; /* within the data, unmasked in place */
    size_t size;
} wire_frame;

/* Decodes the first frame and returns its whole size. Aborts unless it is all there,
 * masked, and its length in the shortest form. */
size_t wire_decode(uint8_t *data, size_t size, wire_frame *frame);

/* Writes a server's frame of it, at most 10 bytes longer; returns its size. */
size_t wire_encode(uint8_t *target, const wire_frame *frame);

#endif

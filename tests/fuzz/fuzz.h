/* One fuzzing input, and what the receiver made of it. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t hash;  /* of all messages, in order */
    uint64_t count;
} fuzz_log;

/* libFuzzer's entry point. Byte 0 chooses the options, byte 1 the size of the
 * chunks; the rest is what a server sends. Aborts if cutting changes the result. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

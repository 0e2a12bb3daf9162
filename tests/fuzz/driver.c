/* Runs the fuzz target without libFuzzer: mutates seeds for so many seconds.
 *
 *     driver SECONDS SEED-FILE...
 *
 * Deterministic but for the clock; the input that is being tried lies in
 * fuzz-input, so that after a crash it can be given as the only seed with 0 s.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

enum { MAX_INPUT = 4096, MAX_SEEDS = 1024 };

typedef struct {
    uint8_t data[MAX_INPUT];
    size_t size;
} input;

static uint64_t state = 88172645463325252ull;

static unsigned below(unsigned limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return limit ? (unsigned)(state >> 20) % limit : 0;
}

static void insert(input *in, const uint8_t *data, size_t size) {
    size_t at = below((unsigned)in->size + 1);
    if (in->size + size > MAX_INPUT) return;
    memmove(in->data + at + size, in->data + at, in->size - at);
    memcpy(in->data + at, data, size);
    in->size += size;
}

static void mutate(input *in, const input *other) {
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1,
                                      0x41, 0x7D, 0x7E, 0x7F, 0xFE, 0xFF, 0xED, 0xF4, 0xC0, 0xE0};
    uint8_t byte = telling[below(sizeof telling)];
    size_t at = below((unsigned)in->size), count;
    switch (below(6)) {
        case 0: in->data[at] = byte; break;
        case 1: in->data[at] ^= (uint8_t)(1u << below(8)); break;
        case 2: insert(in, &byte, 1); break;
        case 3: /* drop a run */
            count = 1 + below(8);
            if (at + count >= in->size) break;
            memmove(in->data + at, in->data + at + count, in->size - at - count);
            in->size -= count;
            break;
        case 4: insert(in, other->data + 2, other->size - 2); break;
        default: in->data[at] = (uint8_t)below(256);
    }
}

static void keep(const input *in) {
    FILE *file = fopen("fuzz-input", "wb");
    if (!file) return;
    fwrite(in->data, 1, in->size, file);
    fclose(file);
}

int main(int count, char **arguments) {
    static input seeds[MAX_SEEDS], current;
    unsigned seed_count = 0;
    unsigned long runs = 0;
    double seconds = count > 1 ? atof(arguments[1]) : 0;
    for (int i = 2; i < count && seed_count < MAX_SEEDS; i++) {
        FILE *file = fopen(arguments[i], "rb");
        if (!file) return perror(arguments[i]), 2;
        input *seed = &seeds[seed_count];
        seed->size = fread(seed->data, 1, MAX_INPUT, file);
        fclose(file);
        if (seed->size < 3) continue;
        seed_count++;
        LLVMFuzzerTestOneInput(seed->data, seed->size);
    }
    if (seed_count == 0) return fprintf(stderr, "no seeds\n"), 2;
    for (time_t began = time(NULL); difftime(time(NULL), began) < seconds; runs++) {
        current = seeds[below(seed_count)];
        for (unsigned n = 1 + below(8); n; n--) mutate(&current, &seeds[below(seed_count)]);
        if (runs % 64 == 0 || getenv("FUZZ_KEEP")) keep(&current);
        LLVMFuzzerTestOneInput(current.data, current.size);
    }
    printf("%u seeds, %lu mutated inputs, nothing found\n", seed_count, runs);
    return 0;
}

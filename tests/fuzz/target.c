/* The fuzz target of the protocol core. An input begins with one byte:
 *
 *     bit 7      0: receiving.c, 1: sending.c
 *     the rest   theirs, as are the bytes that follow
 */
#include "fuzz.h"
#include "zlib_api.h"

uint8_t fuzz_byte(fuzz_input *input) {
    if (input->size == 0) return 0;
    input->size--;
    return *input->data++;
}

/* One byte for how many sizes follow (bits 0 to 2) and whether to read in place (bit 3);
 * its high half for the batch. Sizes from 240 on stand for kilobytes. */
fuzz_way fuzz_take_way(fuzz_input *input) {
    static const int limits[16] = {1,  2,  3,  4,  5,   7,    8,    16,
                                   63, 64, 65, 100, 1000, 4095, 4096, 4096};
    const uint8_t head = fuzz_byte(input);
    fuzz_way way = {head & 7, {0}, head >> 3 & 1, limits[head >> 4]};
    for (int i = 0; i < way.cut_count; i++) {
        const uint8_t size = fuzz_byte(input);
        way.cuts[i] = size < 240 ? size + 1u : (size - 239u) * 1000u;
    }
    return way;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const fuzz_input input = {data, size};
    if (!ws_zlib_available() && ws_zlib_load(NULL) != 0) {
        fprintf(stderr, "no zlib: libz.so.1 is needed\n");
        exit(2);
    }
    if (size == 0) return 0;
    if (data[0] & 0x80)
        fuzz_sending(input);
    else
        fuzz_receiving(input);
    return 0;
}

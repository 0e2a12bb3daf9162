#include "mask.h"

#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAVE_AVX2_DISPATCH 1
#include <immintrin.h>
#endif

void ws_mask_scalar(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4]) {
    for (size_t i = 0; i < size; i++) target[i] = source[i] ^ key[i & 3];
}

/* Eight bytes at a time; compilers turn this into the baseline's vectors. */
static void mask_words(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4]) {
    uint64_t wide;
    uint8_t twice[8];
    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&wide, twice, 8);
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, source + i, 8);
        word ^= wide;
        memcpy(target + i, &word, 8);
    }
    ws_mask_scalar(target + i, source + i, size - i, key);
}

#ifdef HAVE_AVX2_DISPATCH
__attribute__((target("avx2"))) static void mask_avx2(uint8_t *target, const uint8_t *source,
                                                      size_t size, const uint8_t key[4]) {
    int32_t narrow;
    memcpy(&narrow, key, 4);
    const __m256i wide = _mm256_set1_epi32(narrow);
    size_t i = 0;
    for (; i + 32 <= size; i += 32) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(source + i));
        _mm256_storeu_si256((__m256i *)(target + i), _mm256_xor_si256(block, wide));
    }
    mask_words(target + i, source + i, size - i, key);
}
#endif

void ws_mask(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4]) {
#ifdef HAVE_AVX2_DISPATCH
    if (size >= 32 && __builtin_cpu_supports("avx2")) {
        mask_avx2(target, source, size, key);
        return;
    }
#endif
    mask_words(target, source, size, key);
}

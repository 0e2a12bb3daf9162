/* Masking of client payloads (RFC 6455, section 5.3). No Python, no state. */
#ifndef WS_MASK_H
#define WS_MASK_H

#include <stddef.h>
#include <stdint.h>

/* target[i] = source[i] ^ key[i % 4]. The two may be the same memory, but must
 * not overlap otherwise. Uses the widest vectors this processor has. */
void ws_mask(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4]);

/* The plain loop that ws_mask must agree with; for tests. */
void ws_mask_scalar(uint8_t *target, const uint8_t *source, size_t size, const uint8_t key[4]);

#endif

/* A message under construction: memory that grows, then becomes the message.
 *
 * Zeroed is empty. Hold the GIL (ws_message is Python's). Owned by whoever embeds
 * it, until ws_builder_finish hands the message out.
 */
#ifndef WS_BUILDER_H
#define WS_BUILDER_H

#include "message.h"

typedef struct {
    ws_message *message; /* NULL while nothing is stored */
    uint64_t size, capacity;
} ws_builder;

/* Room for extra bytes behind those stored: 0, or -1 when out of memory. The first
 * time exactly that, later at least double: a message may come in a million pieces. */
int ws_builder_reserve(ws_builder *builder, uint64_t extra);
/* Where the next bytes go, within what was reserved; then add to size. */
uint8_t *ws_builder_end(ws_builder *builder);
/* The message, of exactly the stored size; the builder is empty then. NULL when
 * out of memory. */
ws_message *ws_builder_finish(ws_builder *builder);
void ws_builder_clear(ws_builder *builder);

#endif

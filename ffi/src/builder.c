#include "builder.h"

#include <string.h>

int ws_builder_reserve(ws_builder *builder, uint64_t extra) {
    uint64_t needed = builder->size + extra;
    if (!builder->message) {
        builder->message = ws_message_new(NULL, needed);
        builder->capacity = needed;
    } else if (needed > builder->capacity) {
        uint64_t capacity = builder->capacity * 2;
        if (capacity < needed) capacity = needed;
        builder->message = ws_message_resize(builder->message, capacity);
        builder->capacity = capacity;
    }
    if (builder->message) return 0;
    memset(builder, 0, sizeof *builder);
    return -1;
}

uint8_t *ws_builder_end(ws_builder *builder) {
    return ws_message_data(builder->message) + builder->size;
}

ws_message *ws_builder_finish(ws_builder *builder) {
    ws_message *message = builder->message;
    if (!message)
        message = ws_message_new(NULL, 0);
    else if (builder->capacity != builder->size)
        message = ws_message_resize(message, builder->size);
    memset(builder, 0, sizeof *builder);
    return message;
}

void ws_builder_clear(ws_builder *builder) {
    ws_message_free(builder->message);
    memset(builder, 0, sizeof *builder);
}

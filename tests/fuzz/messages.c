/* message.h without Python: what ffi/src/message.c does, on malloc. */
#include <string.h>

#include "fuzz.h"

/* Beyond this there is "no memory", so that what happens then is tried, too. */
enum { MEMORY = 1 << 21 };

struct ws_message {
    size_t size;
    uint8_t data[];
};

size_t fuzz_largest_message;

static int enough_for(size_t size) {
    if (size > MEMORY) return 0;
    if (size > fuzz_largest_message) fuzz_largest_message = size;
    return 1;
}

ws_message *ws_message_new(const uint8_t *data, size_t size) {
    if (!enough_for(size)) return NULL;
    ws_message *message = malloc(sizeof *message + size);
    if (!message) return NULL;
    message->size = size;
    if (data && size) memcpy(message->data, data, size);
    return message;
}

uint8_t *ws_message_data(ws_message *message) { return message->data; }

ws_message *ws_message_resize(ws_message *message, size_t size) {
    ws_message *resized = enough_for(size) ? realloc(message, sizeof *message + size) : NULL;
    if (!resized) {
        free(message);
        return NULL;
    }
    resized->size = size;
    return resized;
}

void ws_message_free(ws_message *message) { free(message); }

int ws_message_deliver(uintptr_t list, ws_message *message) {
    fuzz_list *target = (fuzz_list *)list;
    FUZZ_ASSERT(target->count < WS_BATCH_MAX);
    target->messages[target->count++] = message;
    return 0;
}

size_t fuzz_message_size(const ws_message *message) { return message->size; }

void fuzz_list_clear(fuzz_list *list) {
    for (int i = 0; i < list->count; i++) free(list->messages[i]);
    list->count = 0;
}

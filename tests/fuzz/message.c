/* message.h without Python: what ffi/src/message.c does, on malloc. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

struct ws_message {
    size_t size;
    uint8_t data[];
};

ws_message *ws_message_new(const uint8_t *data, size_t size) {
    ws_message *message = malloc(sizeof *message + size);
    if (!message) return NULL;
    message->size = size;
    if (data && size) memcpy(message->data, data, size);
    return message;
}

uint8_t *ws_message_data(ws_message *message) { return message->data; }

ws_message *ws_message_resize(ws_message *message, size_t size) {
    ws_message *resized = realloc(message, sizeof *message + size);
    if (!resized) {
        free(message);
        return NULL;
    }
    resized->size = size;
    return resized;
}

void ws_message_free(ws_message *message) { free(message); }

/* The list is a running hash: two ways of cutting a stream must give the same. */
int ws_message_deliver(uintptr_t list, ws_message *message) {
    fuzz_log *log = (fuzz_log *)list;
    for (size_t i = 0; i < message->size; i++) log->hash = log->hash * 1099511628211u ^ message->data[i];
    log->hash = log->hash * 1099511628211u ^ message->size;
    log->count++;
    free(message);
    return 0;
}

int ws_python_enter(void) { return 0; }
void ws_python_leave(int state) { (void)state; }
void *ws_python_pause(void) { return NULL; }
void ws_python_resume(void *paused) { (void)paused; }

/* A received message's memory: a Python bytes object, filled in place.
 *
 * The only files that know it is Python's are message.c and batch.c; a build
 * without Python (the fuzzer) links its own. Hold the GIL for every call here;
 * writing into ws_message_data's memory needs no GIL.
 */
#ifndef WS_MESSAGE_H
#define WS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct ws_message ws_message;

/* A new message of size bytes, copied from data unless that is NULL. NULL when
 * out of memory. The caller owns it. */
ws_message *ws_message_new(const uint8_t *data, size_t size);
uint8_t *ws_message_data(ws_message *message);
/* Consumes message and returns it with another size (maybe elsewhere), or NULL
 * when out of memory (message is then freed). */
ws_message *ws_message_resize(ws_message *message, size_t size);
void ws_message_free(ws_message *message); /* NULL is allowed */

/* Appends to a list object and consumes message, also on failure (-1). */
int ws_message_deliver(uintptr_t list, ws_message *message);

/* Nested calls are allowed; the value goes back to ws_python_leave. */
int ws_python_enter(void);
void ws_python_leave(int state);
void *ws_python_pause(void); /* releases the GIL; pass the result to resume */
void ws_python_resume(void *paused);

#endif

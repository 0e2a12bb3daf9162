/* A byte stream under a WebSocket: libcurl's connection, or plain memory.
 *
 * Reads and writes never block and never touch Python (call without the GIL).
 * The memory kind exists so that the protocol core can be tested byte by byte
 * without a socket.
 */
#ifndef WS_TRANSPORT_H
#define WS_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "easy.h"

typedef enum {
    WS_IO_OK = 0,
    WS_IO_AGAIN, /* nothing now; wait for the socket */
    WS_IO_EOF,   /* orderly or abrupt end of the stream: no more bytes will come */
    WS_IO_ERROR, /* see ws_transport.curl_code */
} ws_io;

typedef struct {
    void *handle;   /* libcurl's; borrowed. NULL: memory */
    int curl_code;  /* of the last error */
    /* Memory kind only; owned by the transport. */
    ws_bytes incoming, outgoing;
    size_t read_chunk;     /* at most so many bytes a read, 0: no limit */
    size_t write_capacity; /* bytes that writes still take before AGAIN */
    int at_eof;
} ws_transport;

void ws_transport_init_curl(ws_transport *transport, ws_easy *easy);
void ws_transport_init_memory(ws_transport *transport);
void ws_transport_free(ws_transport *transport); /* not the libcurl handle */

/* Reads up to size bytes; *got is set on WS_IO_OK only, and then > 0. */
ws_io ws_transport_read(ws_transport *transport, uint8_t *buffer, size_t size, size_t *got);
/* Writes a prefix of the data; *sent is set on WS_IO_OK only, and then > 0. */
ws_io ws_transport_write(ws_transport *transport, const uint8_t *data, size_t size, size_t *sent);

#endif

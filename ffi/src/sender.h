/* Outgoing frames: masked, queued, written as far as the transport takes them.
 *
 * Needs no GIL. Everything appended is written whole and in order; the bytes
 * that did not fit stay here.
 */
#ifndef WS_SENDER_H
#define WS_SENDER_H

#include "bytes.h"
#include "deflate.h"
#include "transport.h"

typedef struct {
    uint64_t frames, bytes, pongs, pongs_skipped;
} ws_tx_counters;

typedef struct ws_sender {
    ws_bytes queue;
    size_t head; /* bytes at the front of queue that are written already */
    int close_sent;
    int in_message; /* its first fragment was queued, its last was not */
    ws_deflater *deflater; /* owned; NULL: messages are sent as they are */
    ws_bytes deflated;     /* scratch of one call */
    ws_tx_counters counters;
} ws_sender;

void ws_sender_free(ws_sender *tx);

/* Queues one control frame. After a CLOSE nothing more is queued. 0, or -1 when
 * out of memory or randomness. */
int ws_sender_control(ws_sender *tx, int opcode, const uint8_t *payload, size_t size);
/* Queues a message, or with fin 0 a fragment of one; opcode is the message's, text
 * or binary, also for its later fragments. Otherwise as above. */
int ws_sender_message(ws_sender *tx, int fin, int opcode, const uint8_t *payload, size_t size);
/* The answer to a PING. Skipped while an unread heap of them waits: a peer that
 * pings and does not read must not cost memory (5.5.3 allows it). */
int ws_sender_pong(ws_sender *tx, const uint8_t *payload, size_t size);

size_t ws_sender_pending(const ws_sender *tx); /* bytes not yet written */
/* Writes until all is written (OK), the transport is full (AGAIN), or max_ns have
 * passed (OK with bytes pending; soft by one write). */
ws_io ws_sender_flush(ws_sender *tx, ws_transport *transport, int64_t max_ns);

#endif

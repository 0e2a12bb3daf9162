#include "sender.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "mask.h"

#if defined(__APPLE__)
#include <sys/random.h>
#endif

enum { MAX_PENDING_FOR_PONG = 65536 };

void ws_sender_free(ws_sender *tx) {
    ws_bytes_free(&tx->queue);
    ws_bytes_free(&tx->deflated);
    ws_deflater_free(tx->deflater);
    tx->deflater = NULL;
}

/* Mask keys must not be predictable (5.3, 10.3); the kernel's randomness, fetched
 * for 64 frames at a time. */
static int fresh_key(uint8_t key[4]) {
    static _Thread_local uint8_t pool[256];
    static _Thread_local size_t left;
    if (left == 0) {
        if (getentropy(pool, sizeof pool) != 0) return -1;
        left = sizeof pool;
    }
    left -= 4;
    memcpy(key, pool + left, 4);
    return 0;
}

static int queue_frame(ws_sender *tx, int fin, int rsv, int opcode, const uint8_t *payload,
                       size_t size) {
    uint8_t key[4];
    if (tx->close_sent) return 0;
    if (fresh_key(key) != 0 || ws_bytes_reserve(&tx->queue, WS_HEADER_MAX + size) != 0) return -1;
    uint8_t *target = tx->queue.data + tx->queue.size;
    size_t length = ws_frame_header_encode(target, fin, rsv, opcode, size, key);
    ws_mask(target + length, payload, size, key);
    tx->queue.size += length + size;
    tx->close_sent = opcode == WS_OP_CLOSE;
    tx->counters.frames++;
    tx->counters.bytes += length + size;
    return 0;
}

int ws_sender_control(ws_sender *tx, int opcode, const uint8_t *payload, size_t size) {
    return queue_frame(tx, 1, 0, opcode, payload, size);
}

int ws_sender_message(ws_sender *tx, int fin, int opcode, const uint8_t *payload, size_t size) {
    const int first = !tx->in_message;
    if (tx->close_sent) return 0;
    tx->in_message = !fin;
    if (!first) opcode = WS_OP_CONT;
    /* Nothing to gain by compressing nothing. */
    if (!tx->deflater || (first && fin && size == 0))
        return queue_frame(tx, fin, 0, opcode, payload, size);
    if (ws_deflater_feed(tx->deflater, payload, size, fin, &tx->deflated) != 0) return -1;
    int failed = queue_frame(tx, fin, first ? WS_RSV1 : 0, opcode, tx->deflated.data,
                             tx->deflated.size);
    ws_bytes_drop_front(&tx->deflated, tx->deflated.size);
    return failed;
}

int ws_sender_pong(ws_sender *tx, const uint8_t *payload, size_t size) {
    if (tx->close_sent) return 0; /* the CLOSE was our last frame */
    if (ws_sender_pending(tx) > MAX_PENDING_FOR_PONG) {
        tx->counters.pongs_skipped++;
        return 0;
    }
    tx->counters.pongs++;
    return ws_sender_control(tx, WS_OP_PONG, payload, size);
}

size_t ws_sender_pending(const ws_sender *tx) { return tx->queue.size - tx->head; }

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

ws_io ws_sender_flush(ws_sender *tx, ws_transport *transport, int64_t max_ns) {
    int64_t deadline = 0;
    while (ws_sender_pending(tx)) {
        size_t sent = 0;
        ws_io io = ws_transport_write(transport, tx->queue.data + tx->head,
                                      ws_sender_pending(tx), &sent);
        if (io != WS_IO_OK) return io;
        tx->head += sent;
        /* Moving the tail forward only when half is gone keeps the cost linear. */
        if (tx->head * 2 >= tx->queue.size) {
            ws_bytes_drop_front(&tx->queue, tx->head);
            tx->head = 0;
        }
        if (!ws_sender_pending(tx)) break; /* the usual case asks no clock */
        const int64_t now = monotonic_ns();
        if (!deadline)
            deadline = now + max_ns;
        else if (now >= deadline)
            break;
    }
    return WS_IO_OK;
}

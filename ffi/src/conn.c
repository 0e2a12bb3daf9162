#include "conn.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* From here on a payload is read straight into its message: one copy less. */
enum { READ_IN_PLACE_FROM = 16384 };

struct ws_conn {
    ws_transport transport;
    ws_receiver rx;
    ws_sender tx;
    ws_bytes unparsed; /* read, but its batch was full */
    size_t unparsed_head; /* of these, bytes at the front that are parsed by now */
    int64_t unparsed_ns; /* when it was read */
    uint64_t wire_bytes_in;
};

ws_conn *ws_conn_new(ws_easy *easy, uint64_t max_message_size, int validate_utf8) {
    ws_conn *conn = calloc(1, sizeof *conn);
    if (!conn) return NULL;
    if (easy)
        ws_transport_init_curl(&conn->transport, easy);
    else
        ws_transport_init_memory(&conn->transport);
    ws_receiver_init(&conn->rx, max_message_size, validate_utf8);
    conn->rx.pong_to = &conn->tx;
    return conn;
}

void ws_conn_free(ws_conn *conn) {
    if (!conn) return;
    int gil = ws_python_enter();
    ws_receiver_free(&conn->rx);
    ws_python_leave(gil);
    ws_sender_free(&conn->tx);
    ws_bytes_free(&conn->unparsed);
    ws_transport_free(&conn->transport);
    free(conn);
}

static int64_t clock_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void mark(ws_batch *batch, int64_t ns) {
    int from = batch->mark_count ? batch->mark_end[batch->mark_count - 1] : 0;
    if (batch->count == from) return; /* the read finished no message */
    batch->mark_end[batch->mark_count] = batch->count;
    batch->mark_ns[batch->mark_count++] = ns;
}

static int spent(const ws_batch *batch, int64_t budget, int64_t deadline) {
    return budget <= 0 || clock_ns(CLOCK_MONOTONIC) > deadline ||
           batch->count >= batch->max_messages || batch->mark_count == WS_MARKS_MAX;
}

static ws_io read_without_gil(ws_conn *conn, uint8_t *target, size_t size, size_t *got) {
    void *paused = ws_python_pause();
    ws_io io = ws_transport_read(&conn->transport, target, size, got);
    ws_python_resume(paused);
    if (io == WS_IO_OK) conn->wire_bytes_in += *got;
    return io;
}

static ws_pump_status io_status(ws_io io) {
    switch (io) {
        case WS_IO_AGAIN: return WS_PUMP_AGAIN;
        case WS_IO_EOF: return WS_PUMP_EOF;
        case WS_IO_ERROR: return WS_PUMP_IO_ERROR;
        default: return WS_PUMP_MORE;
    }
}

static ws_pump_status pump_status(ws_rx_status status) {
    switch (status) {
        case WS_RX_CLOSED: return WS_PUMP_CLOSED;
        case WS_RX_FAILED: return WS_PUMP_FAILED;
        case WS_RX_FULL: return WS_PUMP_MORE;
        default: return WS_PUMP_AGAIN;
    }
}

static void free_unparsed(ws_conn *conn) {
    ws_bytes_free(&conn->unparsed);
    conn->unparsed_head = 0;
}

/* Parses what an earlier call had no room for. */
static ws_rx_status parse_unparsed(ws_conn *conn, ws_batch *batch) {
    size_t used = 0;
    ws_rx_status status = ws_receiver_feed(&conn->rx, conn->unparsed.data + conn->unparsed_head,
                                           conn->unparsed.size - conn->unparsed_head, batch,
                                           &used);
    conn->unparsed_head += used;
    /* Not moved forward: a small batch at a time, that would be done over and over. */
    if (conn->unparsed_head == conn->unparsed.size) free_unparsed(conn);
    mark(batch, conn->unparsed_ns);
    return status;
}

static ws_rx_status parse_scratch(ws_conn *conn, ws_batch *batch, size_t size, int64_t now_ns) {
    size_t used = 0;
    ws_rx_status status = ws_receiver_feed(&conn->rx, batch->scratch, size, batch, &used);
    if (status == WS_RX_FULL) {
        if (ws_bytes_append(&conn->unparsed, batch->scratch + used, size - used) != 0) {
            conn->rx.fail_code = 1011;
            conn->rx.fail_text = "out of memory";
            return WS_RX_FAILED;
        }
        conn->unparsed_ns = now_ns;
    }
    return status;
}

/* Until a limit is reached; each of them lets one read pass, or nothing would move. */
static ws_pump_status read_and_parse(ws_conn *conn, ws_batch *batch, int64_t budget,
                                     int64_t deadline) {
    ws_rx_status status = WS_RX_OK;

    if (conn->unparsed.size) {
        status = parse_unparsed(conn, batch);
        if (status == WS_RX_OK && spent(batch, budget, deadline)) return WS_PUMP_MORE;
    }
    while (status == WS_RX_OK) {
        uint8_t *target;
        uint64_t window = ws_receiver_window(&conn->rx, &target);
        const int in_place = window >= READ_IN_PLACE_FROM;
        size_t got = 0;
        ws_io io = in_place
                       ? read_without_gil(conn, target, (size_t)window, &got)
                       : read_without_gil(conn, batch->scratch, WS_SCRATCH_SIZE, &got);
        if (io != WS_IO_OK) return io_status(io);

        const int64_t now_ns = clock_ns(CLOCK_REALTIME);
        status = in_place ? ws_receiver_filled(&conn->rx, got, batch)
                          : parse_scratch(conn, batch, got, now_ns);
        mark(batch, now_ns);
        budget -= (int64_t)got;
        if (status == WS_RX_OK && spent(batch, budget, deadline)) return WS_PUMP_MORE;
    }
    return pump_status(status);
}

/* After a CLOSE or a violation nothing counts but the end of the stream. It is
 * still read: closing a socket on unread bytes resets the connection, and the
 * peer would lose the CLOSE it is owed. */
static ws_pump_status read_and_discard(ws_conn *conn, ws_batch *batch, int64_t budget,
                                       int64_t deadline) {
    ws_io io;
    free_unparsed(conn);
    do {
        size_t got = 0;
        io = read_without_gil(conn, batch->scratch, WS_SCRATCH_SIZE, &got);
        budget -= (int64_t)got;
    } while (io == WS_IO_OK && !spent(batch, budget, deadline));
    return io_status(io);
}

ws_pump_status ws_conn_pump(ws_conn *conn, ws_batch *batch, uintptr_t list, int max_messages,
                            int64_t max_bytes, int64_t max_ns) {
    const int64_t deadline = clock_ns(CLOCK_MONOTONIC) + max_ns;
    batch->list = list;
    batch->max_messages = max_messages;
    batch->count = batch->control_count = batch->kind = batch->mark_count = 0;
    int gil = ws_python_enter();
    ws_pump_status status = ws_receiver_ended(&conn->rx)
                                ? read_and_discard(conn, batch, max_bytes, deadline)
                                : read_and_parse(conn, batch, max_bytes, deadline);
    ws_python_leave(gil);
    return status;
}

int ws_conn_send(ws_conn *conn, int fin, int opcode, const unsigned char *payload, size_t size) {
    return opcode & 0x8 ? ws_sender_control(&conn->tx, opcode, payload, size)
                        : ws_sender_message(&conn->tx, fin, opcode, payload, size);
}

int ws_conn_compress(ws_conn *conn, int peer_bits, int peer_takeover, int own_bits,
                     int own_takeover, int level) {
    conn->rx.inflater = ws_inflater_new(peer_bits, peer_takeover);
    if (!conn->rx.inflater) return -1;
    /* zlib cannot deflate with a window of 256 bytes; messages may go uncompressed. */
    if (own_bits == 8) return 0;
    conn->tx.deflater = ws_deflater_new(own_bits, own_takeover, level);
    return conn->tx.deflater ? 0 : -1;
}

ws_io ws_conn_flush(ws_conn *conn, int64_t max_ns) {
    return ws_sender_flush(&conn->tx, &conn->transport, max_ns);
}

int64_t ws_conn_write(ws_conn *conn, int fin, int opcode, const unsigned char *payload,
                      size_t size, int64_t max_ns) {
    if (ws_conn_send(conn, fin, opcode, payload, size) != 0) return WS_WRITE_NO_MEMORY;
    if (ws_conn_flush(conn, max_ns) == WS_IO_ERROR) return WS_WRITE_ERROR;
    return (int64_t)ws_conn_unsent(conn);
}

size_t ws_conn_unsent(const ws_conn *conn) { return ws_sender_pending(&conn->tx); }

int ws_conn_close_sent(const ws_conn *conn) { return conn->tx.close_sent; }

int ws_conn_fail_code(const ws_conn *conn) { return conn->rx.fail_code; }

const char *ws_conn_fail_text(const ws_conn *conn) { return conn->rx.fail_text; }

int ws_conn_curl_code(const ws_conn *conn) { return conn->transport.curl_code; }

void ws_conn_counters(const ws_conn *conn, ws_counters *counters) {
    const ws_rx_counters *rx = &conn->rx.counters;
    const ws_tx_counters *tx = &conn->tx.counters;
    *counters = (ws_counters){
        .frames_in = rx->frames,
        .messages_in = rx->messages,
        .payload_bytes_in = rx->payload_bytes,
        .wire_bytes_in = conn->wire_bytes_in,
        .pings_in = rx->pings,
        .pongs_in = rx->pongs,
        .frames_out = tx->frames,
        .wire_bytes_out = tx->bytes,
        .pongs_out = tx->pongs,
        .pongs_skipped = tx->pongs_skipped,
    };
}

int ws_memory_feed(ws_conn *conn, const unsigned char *data, size_t size, int at_eof) {
    conn->transport.at_eof |= at_eof;
    return ws_bytes_append(&conn->transport.incoming, data, size);
}

size_t ws_memory_take(ws_conn *conn, unsigned char *target, size_t size) {
    ws_bytes *outgoing = &conn->transport.outgoing;
    if (size > outgoing->size) size = outgoing->size;
    if (size) memcpy(target, outgoing->data, size);
    ws_bytes_drop_front(outgoing, size);
    return size;
}

void ws_memory_limits(ws_conn *conn, size_t read_chunk, size_t write_capacity) {
    conn->transport.read_chunk = read_chunk;
    conn->transport.write_capacity = write_capacity;
}

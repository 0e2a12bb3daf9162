/* One WebSocket connection after its handshake: transport, receiver and sender.
 *
 * Used from one thread at a time. The connection borrows the easy handle and
 * must be freed before it.
 */
#ifndef WS_CONN_H
#define WS_CONN_H

#include "batch.h"
#include "receiver.h"
#include "sender.h"
#include "transport.h"

typedef enum {
    WS_PUMP_AGAIN = 0, /* everything there was is in the batch: wait for the socket */
    WS_PUMP_MORE,      /* a limit was reached: call again before waiting */
    WS_PUMP_CLOSED,    /* the peer's CLOSE is the batch's last message */
    WS_PUMP_EOF,       /* the stream ended without a CLOSE */
    WS_PUMP_FAILED,    /* protocol violation: ws_conn_fail_code, ws_conn_fail_text */
    WS_PUMP_IO_ERROR,  /* ws_conn_curl_code */
} ws_pump_status;

typedef struct {
    uint64_t frames_in, messages_in, payload_bytes_in, wire_bytes_in, pings_in, pongs_in;
    uint64_t frames_out, wire_bytes_out, pongs_out, pongs_skipped;
} ws_counters;

enum { WS_WRITE_NO_MEMORY = -1, WS_WRITE_ERROR = -2 };

typedef struct ws_conn ws_conn;

/* NULL when out of memory. With easy NULL the transport is memory, for tests. */
ws_conn *ws_conn_new(ws_easy *easy, uint64_t max_message_size, int validate_utf8);
void ws_conn_free(ws_conn *conn); /* hold the GIL; NULL is allowed */

/* Reads, parses and appends whole messages to list, the address of an empty Python
 * list, until a limit or AGAIN; answers PINGs. Messages received before an end or a
 * failure are in the batch. After CLOSED or FAILED further calls only discard, until
 * EOF. The limits: 1 to WS_BATCH_MAX messages; bytes and time, soft by one read.
 * Call without the GIL: it takes it while it makes messages, not while it reads. */
ws_pump_status ws_conn_pump(ws_conn *conn, ws_batch *batch, uintptr_t list, int max_messages,
                            int64_t max_bytes, int64_t max_ns);

/* Switches permessage-deflate on as negotiated: window bits 8 to 15 and context
 * takeover for what the peer sends and for what we send; level is zlib's, -1 to 9.
 * Once, before the first pump. 0, or -1 when out of memory or without a zlib. */
int ws_conn_compress(ws_conn *conn, int peer_bits, int peer_takeover, int own_bits,
                     int own_takeover, int level);

/* Queues a control frame, or a message, or with fin 0 a fragment of one (opcode is
 * the message's for every fragment): 0, or -1 when out of memory. */
int ws_conn_send(ws_conn *conn, int fin, int opcode, const unsigned char *payload, size_t size);
/* Writes what is queued, for at most max_ns (soft by one write): OK with bytes left
 * in the queue means that the time is up. */
ws_io ws_conn_flush(ws_conn *conn, int64_t max_ns);
size_t ws_conn_unsent(const ws_conn *conn);
/* Send and flush in one call, for what is sent one by one: the bytes that are left in
 * the queue, or WS_WRITE_NO_MEMORY or WS_WRITE_ERROR. */
int64_t ws_conn_write(ws_conn *conn, int fin, int opcode, const unsigned char *payload,
                      size_t size, int64_t max_ns);
int ws_conn_close_sent(const ws_conn *conn);

int ws_conn_fail_code(const ws_conn *conn);
const char *ws_conn_fail_text(const ws_conn *conn); /* static */
int ws_conn_curl_code(const ws_conn *conn);
void ws_conn_counters(const ws_conn *conn, ws_counters *counters);

/* The memory transport's other end. */
int ws_memory_feed(ws_conn *conn, const unsigned char *data, size_t size, int at_eof);
size_t ws_memory_take(ws_conn *conn, unsigned char *target, size_t size);
void ws_memory_limits(ws_conn *conn, size_t read_chunk, size_t write_capacity);

#endif

/* What the sender frames, a decoder and the receiver get back identically.
 *
 *     byte 0     bit 0: deflate; 1: with takeover; 2 to 4: window bits less 8
 *     byte 1     compression level
 *     then       fuzz_take_way's bytes, and three bytes for each call: what, how much, with
 *                which content
 */
#include <string.h>

#include "feed.h"
#include "sender.h"
#include "wire.h"

enum { MAX_CALLS = 64, MAX_BYTES = 1 << 16, MAX_DATA = MAX_BYTES + 65537 };

/* One message that must arrive. Its bytes lie in expectation.bytes. */
typedef struct {
    int kind;
    size_t from, size;
} expected_message;

typedef struct {
    expected_message messages[MAX_CALLS];
    int count, arrived;
    uint8_t controls[MAX_CALLS * WS_CONTROL_MAX];
    size_t controls_size;
    uint8_t data[MAX_DATA];
    size_t data_size, message_from; /* where the message in progress began */
    int message_kind;               /* 0: none in progress */
    uint64_t frames, largest;
} expectation;

static expectation expected;

static size_t size_of(uint8_t byte) {
    static const size_t sizes[] = {0,    1,     2,     3,     31,    32,    33,    124,  125,
                                   126,  127,   128,   255,   256,   1000,  4096,  16383, 16384,
                                   32767, 32768, 32769, 65534, 65535, 65536, 65537};
    const size_t count = sizeof sizes / sizeof *sizes;
    return byte < 128 ? byte : sizes[(byte - 128u) % count];
}

/* From what compresses to next to nothing to what does not at all. */
static void fill(uint8_t *target, size_t size, uint8_t how) {
    uint32_t state = how;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        target[i] = how < 64 ? how : how < 128 ? (uint8_t)(i % (how - 62)) : (uint8_t)(state >> 24);
    }
}

static void expect(int kind, size_t from, size_t size) {
    expected.messages[expected.count++] = (expected_message){kind, from, size};
}

static void send_control(ws_sender *tx, int opcode, size_t size, uint8_t how) {
    static const int kinds[] = {[WS_OP_CLOSE] = WS_KIND_CLOSE, [WS_OP_PING] = WS_KIND_PING,
                                [WS_OP_PONG] = WS_KIND_PONG};
    uint8_t *payload = expected.controls + expected.controls_size;
    if (size > WS_CONTROL_MAX) size = WS_CONTROL_MAX;
    fill(payload, size, how);
    if (opcode == WS_OP_CLOSE) {
        if (size == 1) size = 0;
        for (size_t i = 2; i < size; i++) payload[i] &= 0x7F;
        if (size) payload[0] = 0x03, payload[1] = 0xE8; /* 1000 */
    }
    const int sent = !tx->close_sent;
    FUZZ_ASSERT(ws_sender_control(tx, opcode, payload, size) == 0);
    FUZZ_ASSERT(tx->close_sent == (!sent || opcode == WS_OP_CLOSE));
    if (!sent) return;
    expect(kinds[opcode], expected.controls_size, size);
    expected.controls_size += size;
    expected.frames++;
}

static void send_data(ws_sender *tx, int fin, int opcode, size_t size, uint8_t how) {
    uint8_t *payload = malloc(size); /* its own size: reading beyond it shows */
    if (!payload) abort();
    fill(payload, size, how);
    FUZZ_ASSERT(ws_sender_message(tx, fin, opcode, payload, size) == 0);
    if (!tx->close_sent) {
        if (!expected.message_kind) {
            expected.message_kind = opcode;
            expected.message_from = expected.data_size;
        }
        memcpy(expected.data + expected.data_size, payload, size);
        expected.data_size += size;
        expected.frames++;
        const size_t so_far = expected.data_size - expected.message_from;
        if (so_far > expected.largest) expected.largest = so_far;
        if (fin) {
            expect(expected.message_kind, expected.message_from, so_far);
            expected.message_kind = 0;
        }
    }
    free(payload);
}

static void check_flush(ws_sender *tx, ws_transport *transport, size_t capacity) {
    const size_t pending = ws_sender_pending(tx), out = transport->outgoing.size;
    transport->write_capacity = capacity;
    ws_io io = ws_sender_flush(tx, transport, (int64_t)1 << 62);
    const size_t left = ws_sender_pending(tx);
    FUZZ_ASSERT(io == (left ? WS_IO_AGAIN : WS_IO_OK));
    FUZZ_ASSERT(pending - left == (pending < capacity ? pending : capacity));
    FUZZ_ASSERT(transport->outgoing.size - out == pending - left);
    FUZZ_ASSERT(tx->counters.bytes == transport->outgoing.size + left);
    FUZZ_ASSERT(tx->counters.frames == expected.frames);
}

/* What: bits 0 to 2 which frame; 3: not the last fragment; 4: write some afterwards. */
static void send_all(ws_sender *tx, ws_transport *transport, fuzz_input *input) {
    static const int opcodes[8] = {WS_OP_TEXT, WS_OP_BINARY, WS_OP_TEXT, WS_OP_BINARY,
                                   WS_OP_BINARY, WS_OP_PING, WS_OP_PONG, WS_OP_CLOSE};
    for (int call = 0; call < MAX_CALLS && input->size && expected.data_size < MAX_BYTES; call++) {
        const uint8_t what = fuzz_byte(input), how_much = fuzz_byte(input), how = fuzz_byte(input);
        const int opcode = opcodes[what & 7];
        if (opcode >= WS_OP_CLOSE)
            send_control(tx, opcode, size_of(how_much), how);
        else
            send_data(tx, !(what & 8), opcode, size_of(how_much), how);
        if (what & 16) check_flush(tx, transport, how_much);
    }
    check_flush(tx, transport, SIZE_MAX);
    FUZZ_ASSERT(ws_sender_pending(tx) == 0);
}

/* Decodes the wire, checks its flags, and returns the same as a server would send it. */
static ws_bytes as_server(ws_bytes *wire, int deflate) {
    ws_bytes stream = {0};
    uint64_t frames = 0;
    int in_message = 0;
    for (size_t at = 0; at < wire->size; frames++) {
        wire_frame frame;
        at += wire_decode(wire->data + at, wire->size - at, &frame);
        if (frame.opcode >= WS_OP_CLOSE) {
            FUZZ_ASSERT(frame.fin && frame.rsv == 0 && frame.size <= WS_CONTROL_MAX);
        } else {
            FUZZ_ASSERT((frame.opcode == WS_OP_CONT) == in_message);
            FUZZ_ASSERT(frame.rsv == 0 || (deflate && !in_message && frame.rsv == WS_RSV1));
            in_message = !frame.fin;
        }
        if (ws_bytes_reserve(&stream, frame.size + 10) != 0) abort();
        stream.size += wire_encode(stream.data + stream.size, &frame);
    }
    FUZZ_ASSERT(frames == expected.frames);
    return stream;
}

static void compare(void *context, int kind, const uint8_t *data, size_t size) {
    (void)context;
    FUZZ_ASSERT(expected.arrived < expected.count);
    const expected_message *next = &expected.messages[expected.arrived++];
    const uint8_t *bytes = kind <= WS_KIND_BINARY ? expected.data : expected.controls;
    FUZZ_ASSERT(kind == next->kind && size == next->size);
    FUZZ_ASSERT(memcmp(data, bytes + next->from, size) == 0);
}

void fuzz_sending(fuzz_input input) {
    const uint8_t flags = fuzz_byte(&input);
    const int takeover = flags >> 1 & 1, window_bits = 8 + (flags >> 2 & 7);
    const int level = fuzz_byte(&input) % 11 - 1;
    const fuzz_way way = fuzz_take_way(&input);
    const int deflate = flags & 1 && window_bits > 8; /* as conn.c: 8 goes uncompressed */
    ws_sender tx = {0};
    ws_transport transport;
    ws_receiver rx;

    expected.count = expected.arrived = expected.message_kind = 0;
    expected.controls_size = expected.data_size = 0;
    expected.frames = expected.largest = 0;
    ws_transport_init_memory(&transport);
    if (deflate) {
        tx.deflater = ws_deflater_new(window_bits, takeover, level);
        FUZZ_ASSERT(tx.deflater);
    }
    send_all(&tx, &transport, &input);
    ws_bytes stream = as_server(&transport.outgoing, deflate);

    /* What is just as large as allowed must pass. */
    ws_receiver_init(&rx, expected.largest, 0);
    if (deflate) {
        rx.inflater = ws_inflater_new(window_bits, takeover);
        FUZZ_ASSERT(rx.inflater);
    }
    ws_rx_status status = fuzz_feed(&rx, stream.data, stream.size, &way, compare, NULL);
    FUZZ_ASSERT(status == (tx.close_sent ? WS_RX_CLOSED : WS_RX_OK));
    FUZZ_ASSERT(expected.arrived == expected.count && rx.counters.frames == expected.frames);

    ws_receiver_free(&rx);
    ws_sender_free(&tx);
    ws_transport_free(&transport);
    ws_bytes_free(&stream);
}

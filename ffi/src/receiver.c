#include "receiver.h"

#include <string.h>

#include "sender.h"

void ws_receiver_init(ws_receiver *rx, uint64_t max_message_size, int validate_utf8) {
    memset(rx, 0, sizeof *rx);
    /* No frame is larger than that, and one byte more is still a number. */
    rx->max_message_size = max_message_size < INT64_MAX ? max_message_size : INT64_MAX;
    rx->validate_utf8 = validate_utf8;
}

void ws_receiver_free(ws_receiver *rx) {
    ws_builder_clear(&rx->message);
    ws_inflater_free(rx->inflater);
    rx->inflater = NULL;
}

int ws_receiver_ended(const ws_receiver *rx) { return rx->closed || rx->fail_code; }

static ws_rx_status fail(ws_receiver *rx, int code, const char *text) {
    rx->fail_code = code;
    rx->fail_text = text;
    return WS_RX_FAILED;
}

static ws_rx_status out_of_memory(ws_receiver *rx) { return fail(rx, 1011, "out of memory"); }

/* Appends one message to the batch; consumes it. */
static ws_rx_status emit(ws_receiver *rx, ws_batch *batch, ws_message *message, int kind) {
    if (!message || ws_message_deliver(batch->list, message) != 0) return out_of_memory(rx);
    batch->kind = batch->count == 0 || batch->kind == kind ? kind : 0;
    batch->kinds[batch->count++] = (unsigned char)kind;
    if (kind > WS_KIND_BINARY)
        batch->control_count++;
    else
        rx->counters.messages++;
    return WS_RX_OK;
}

static int is_control(const ws_frame_header *frame) { return frame->opcode & 0x8; }

static ws_rx_status check_header(ws_receiver *rx) {
    const ws_frame_header *frame = &rx->frame;
    /* RSV1 on a message's first frame says that it is compressed (RFC 7692, section 6). */
    const int may_have_rsv1 = rx->inflater && !is_control(frame) && frame->opcode != WS_OP_CONT;
    if (frame->rsv & ~(may_have_rsv1 ? WS_RSV1 : 0))
        return fail(rx, 1002, "a reserved bit is set and no extension claims it");
    if (frame->masked) return fail(rx, 1002, "a server must not mask its frames");
    if (is_control(frame)) {
        if (frame->opcode > WS_OP_PONG) return fail(rx, 1002, "unknown control opcode");
        if (!frame->fin) return fail(rx, 1002, "a control frame must not be fragmented");
        if (frame->size > WS_CONTROL_MAX)
            return fail(rx, 1002, "a control frame holds at most 125 bytes");
        return WS_RX_OK;
    }
    if (frame->opcode > WS_OP_BINARY) return fail(rx, 1002, "unknown data opcode");
    if (frame->opcode == WS_OP_CONT && !rx->message_kind)
        return fail(rx, 1002, "a continuation frame without a message to continue");
    if (frame->opcode != WS_OP_CONT && rx->message_kind)
        return fail(rx, 1002, "a new message inside a fragmented one");
    if (frame->size >> 63) return fail(rx, 1002, "the top bit of a 64-bit length is set");
    /* Compressed, it may be larger than what it holds, which the inflater limits. */
    if (frame->opcode == WS_OP_CONT ? rx->compressed : frame->rsv == WS_RSV1) return WS_RX_OK;
    if (frame->size > rx->max_message_size ||
        rx->message.size > rx->max_message_size - frame->size)
        return fail(rx, 1009, "Message too large for max_message_size");
    return WS_RX_OK;
}

static ws_rx_status finish_close(ws_receiver *rx, ws_batch *batch) {
    uint64_t size = rx->frame.size;
    ws_utf8 reason = {0};
    rx->closed = 1;
    if (size == 1) return fail(rx, 1002, "a close body of one byte");
    if (size >= 2) {
        if (!ws_close_code_valid((unsigned)rx->control[0] << 8 | rx->control[1]))
            return fail(rx, 1002, "an invalid close code");
        if (!ws_utf8_feed(&reason, rx->control + 2, size - 2) || !ws_utf8_done(&reason))
            return fail(rx, 1007, "the close reason is not UTF-8");
    }
    ws_rx_status status = emit(rx, batch, ws_message_new(rx->control, size), WS_KIND_CLOSE);
    return status == WS_RX_OK ? WS_RX_CLOSED : status;
}

static ws_rx_status finish_control(ws_receiver *rx, ws_batch *batch) {
    if (rx->frame.opcode == WS_OP_CLOSE) return finish_close(rx, batch);
    int kind = rx->frame.opcode == WS_OP_PING ? WS_KIND_PING : WS_KIND_PONG;
    if (kind == WS_KIND_PING) {
        rx->counters.pings++;
        if (rx->pong_to && ws_sender_pong(rx->pong_to, rx->control, rx->frame.size) != 0)
            return out_of_memory(rx);
    } else {
        rx->counters.pongs++;
    }
    return emit(rx, batch, ws_message_new(rx->control, rx->frame.size), kind);
}

/* Checks text that was stored behind the first from bytes. */
static ws_rx_status check_text(ws_receiver *rx, uint64_t from) {
    const uint64_t size = rx->message.size - from;
    if (rx->message_kind != WS_KIND_TEXT || !rx->validate_utf8 || size == 0) return WS_RX_OK;
    if (ws_utf8_feed(&rx->utf8, ws_builder_end(&rx->message) - size, size)) return WS_RX_OK;
    return fail(rx, 1007, "a text message is not UTF-8");
}

/* Judges what the inflater stored behind the first from bytes, and how it ended. */
static ws_rx_status check_inflated(ws_receiver *rx, ws_inflate_status inflate, uint64_t from) {
    if (inflate == WS_INFLATE_NO_MEMORY) return out_of_memory(rx); /* it may be gone */
    /* Text that is wrong lies before the place where the inflater gave up. */
    ws_rx_status status = check_text(rx, from);
    if (status != WS_RX_OK || inflate == WS_INFLATE_OK) return status;
    return inflate == WS_INFLATE_TOO_LARGE
               ? fail(rx, 1009, "Message too large for max_message_size once inflated")
               : fail(rx, 1007, "a compressed message is not valid DEFLATE");
}

static ws_rx_status finish_message(ws_receiver *rx, ws_batch *batch) {
    if (rx->compressed) {
        const uint64_t before = rx->message.size;
        ws_inflate_status inflate =
            ws_inflater_end(rx->inflater, &rx->message, rx->max_message_size);
        ws_rx_status status = check_inflated(rx, inflate, before);
        if (status != WS_RX_OK) return status;
    }
    const int kind = rx->message_kind;
    if (kind == WS_KIND_TEXT && rx->validate_utf8 && !ws_utf8_done(&rx->utf8))
        return fail(rx, 1007, "a text message ends inside a character");
    rx->message_kind = 0;
    return emit(rx, batch, ws_builder_finish(&rx->message), kind);
}

static ws_rx_status finish_frame(ws_receiver *rx, ws_batch *batch) {
    rx->in_frame = 0;
    if (is_control(&rx->frame)) return finish_control(rx, batch);
    return rx->frame.fin ? finish_message(rx, batch) : WS_RX_OK;
}

/* Accounts for count payload bytes of the current frame that are taken care of. */
static ws_rx_status advance(ws_receiver *rx, size_t count, ws_batch *batch) {
    rx->frame_left -= count;
    return rx->frame_left ? WS_RX_OK : finish_frame(rx, batch);
}

/* The same for bytes that lie in place, at the end of the message. */
static ws_rx_status stored(ws_receiver *rx, size_t count, ws_batch *batch) {
    const uint64_t before = rx->message.size;
    rx->message.size += count;
    rx->counters.payload_bytes += count;
    ws_rx_status status = check_text(rx, before);
    return status == WS_RX_OK ? advance(rx, count, batch) : status;
}

static ws_rx_status inflated(ws_receiver *rx, const uint8_t *data, size_t count, ws_batch *batch) {
    const uint64_t before = rx->message.size;
    ws_inflate_status inflate =
        ws_inflater_feed(rx->inflater, data, count, &rx->message, rx->max_message_size);
    rx->counters.payload_bytes += count;
    ws_rx_status status = check_inflated(rx, inflate, before);
    return status == WS_RX_OK ? advance(rx, count, batch) : status;
}

/* Takes as much of the current frame's payload as the input has. */
static ws_rx_status take_payload(ws_receiver *rx, const uint8_t *data, size_t size,
                                 ws_batch *batch, size_t *taken) {
    const size_t count = size < rx->frame_left ? size : (size_t)rx->frame_left;
    *taken = count;
    if (is_control(&rx->frame)) {
        memcpy(rx->control + (rx->frame.size - rx->frame_left), data, count);
        return advance(rx, count, batch);
    }
    if (rx->compressed) return inflated(rx, data, count, batch);
    memcpy(ws_builder_end(&rx->message), data, count);
    return stored(rx, count, batch);
}

static ws_rx_status begin_frame(ws_receiver *rx, ws_batch *batch) {
    ws_rx_status status = check_header(rx);
    if (status != WS_RX_OK) return status;
    rx->counters.frames++;
    rx->in_frame = 1;
    rx->frame_left = rx->frame.size;
    if (!is_control(&rx->frame)) {
        if (rx->frame.opcode != WS_OP_CONT) {
            rx->message_kind = rx->frame.opcode; /* the kinds have the opcodes' values */
            rx->compressed = rx->frame.rsv == WS_RSV1;
            rx->utf8 = (ws_utf8){0};
        }
        if (rx->frame.size && !rx->compressed &&
            ws_builder_reserve(&rx->message, rx->frame.size) != 0)
            return out_of_memory(rx);
    }
    return rx->frame.size ? WS_RX_OK : finish_frame(rx, batch);
}

/* The usual case: an unfragmented data frame that lies whole in the input.
 * Returns 1 if it was one, 0 to go the general way. */
static int take_whole_frame(ws_receiver *rx, const uint8_t *data, size_t size, ws_batch *batch,
                            ws_rx_status *status, size_t *used) {
    const unsigned first = data[0];
    size_t length = 2;
    uint64_t payload_size = data[1];
    if ((first != (0x80 | WS_OP_TEXT) && first != (0x80 | WS_OP_BINARY)) || rx->message_kind)
        return 0;
    if (payload_size == 126 && size >= 4) {
        payload_size = (uint64_t)data[2] << 8 | data[3];
        length = 4;
    } else if (payload_size > 125) {
        return 0; /* masked, 64-bit length, or cut: rare, or an error */
    }
    if (payload_size > size - length || payload_size > rx->max_message_size) return 0;

    const uint8_t *payload = data + length;
    const int kind = first & 0xF;
    rx->counters.frames++;
    rx->counters.payload_bytes += payload_size;
    *used = length + payload_size;
    if (kind == WS_KIND_TEXT && rx->validate_utf8) {
        ws_utf8 utf8 = {0};
        if (!ws_utf8_feed(&utf8, payload, payload_size) || !ws_utf8_done(&utf8)) {
            *status = fail(rx, 1007, "a text message is not UTF-8");
            return 1;
        }
    }
    *status = emit(rx, batch, ws_message_new(payload, payload_size), kind);
    return 1;
}

/* Collects a header that may come cut. Returns how much input it took; the
 * header is whole when rx->header_size is 0 again and rx->frame is set. */
static size_t take_header(ws_receiver *rx, const uint8_t *data, size_t size, int *whole) {
    size_t taken = 0;
    *whole = 0;
    for (;;) {
        size_t need = ws_frame_header_need(rx->header, rx->header_size);
        if (rx->header_size >= need) break;
        if (taken == size) return taken;
        rx->header[rx->header_size++] = data[taken++];
    }
    ws_frame_header_decode(rx->header, &rx->frame);
    rx->header_size = 0;
    *whole = 1;
    return taken;
}

ws_rx_status ws_receiver_feed(ws_receiver *rx, const uint8_t *data, size_t size, ws_batch *batch,
                              size_t *used) {
    size_t at = 0;
    ws_rx_status status = WS_RX_OK;
    *used = 0;
    if (rx->fail_code) return WS_RX_FAILED;
    while (at < size && status == WS_RX_OK) {
        size_t taken = 0;
        if (rx->closed) {
            at = size; /* nothing counts after a CLOSE (5.5.1) */
            status = WS_RX_CLOSED;
        } else if (batch->count >= batch->max_messages) {
            status = WS_RX_FULL;
        } else if (rx->in_frame) {
            status = take_payload(rx, data + at, size - at, batch, &taken);
        } else if (rx->header_size == 0 && size - at >= 2 &&
                   take_whole_frame(rx, data + at, size - at, batch, &status, &taken)) {
            /* done */
        } else {
            int whole;
            taken = take_header(rx, data + at, size - at, &whole);
            if (whole) status = begin_frame(rx, batch);
        }
        at += taken;
    }
    *used = at;
    return status;
}

uint64_t ws_receiver_window(ws_receiver *rx, uint8_t **target) {
    if (!rx->in_frame || is_control(&rx->frame) || rx->compressed) return 0;
    if (ws_receiver_ended(rx)) return 0;
    *target = ws_builder_end(&rx->message);
    return rx->frame_left;
}

ws_rx_status ws_receiver_filled(ws_receiver *rx, size_t count, ws_batch *batch) {
    return stored(rx, count, batch);
}

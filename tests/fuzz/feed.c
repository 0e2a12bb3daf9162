#include "feed.h"

#include <string.h>

static fuzz_list list;
static ws_batch batch;

static void begin_batch(int max_messages) {
    fuzz_list_clear(&list);
    batch.list = (uintptr_t)&list;
    batch.max_messages = max_messages;
    batch.count = batch.control_count = batch.kind = batch.mark_count = 0;
}

static void check_batch(void) {
    int controls = 0, alike = 1;
    FUZZ_ASSERT(batch.count == list.count && batch.count <= batch.max_messages);
    for (int i = 0; i < batch.count; i++) {
        controls += batch.kinds[i] > WS_KIND_BINARY;
        alike &= batch.kinds[i] == batch.kinds[0];
    }
    FUZZ_ASSERT(controls == batch.control_count);
    FUZZ_ASSERT(batch.kind == (batch.count && alike ? batch.kinds[0] : 0));
}

/* One call: of the receiver's two ways in, the one that conn.c would take, or the other. */
static ws_rx_status feed_once(ws_receiver *rx, const uint8_t *data, size_t size, int in_place,
                              size_t *used) {
    uint8_t *target;
    uint64_t room = in_place ? ws_receiver_window(rx, &target) : 0;
    if (room == 0) return ws_receiver_feed(rx, data, size, &batch, used);
    *used = size < room ? size : (size_t)room;
    memcpy(target, data, *used);
    return ws_receiver_filled(rx, *used, &batch);
}

static void check_status(const ws_receiver *rx, ws_rx_status status, size_t used, size_t size,
                         int in_place) {
    FUZZ_ASSERT(used <= size);
    FUZZ_ASSERT((status == WS_RX_FAILED) == (rx->fail_code != 0));
    FUZZ_ASSERT(!rx->fail_code || (rx->fail_text && *rx->fail_text));
    FUZZ_ASSERT((status == WS_RX_CLOSED || status == WS_RX_FAILED) == ws_receiver_ended(rx));
    if (status == WS_RX_FULL) FUZZ_ASSERT(batch.count == batch.max_messages && used < size);
    if (status == WS_RX_OK) FUZZ_ASSERT(in_place || used == size);
}

static void check_nothing_comes(ws_receiver *rx, const uint8_t *data, size_t size) {
    uint8_t *target;
    size_t used;
    begin_batch(WS_BATCH_MAX);
    FUZZ_ASSERT(ws_receiver_window(rx, &target) == 0);
    ws_rx_status status = ws_receiver_feed(rx, data, size, &batch, &used);
    FUZZ_ASSERT(batch.count == 0);
    if (size) FUZZ_ASSERT(status == (rx->fail_code ? WS_RX_FAILED : WS_RX_CLOSED));
}

ws_rx_status fuzz_feed(ws_receiver *rx, const uint8_t *data, size_t size, const fuzz_way *way,
                       fuzz_on_message *on_message, void *context) {
    ws_rx_status status = WS_RX_OK;
    size_t at = 0;
    for (int turn = 0; at < size && !ws_receiver_ended(rx); turn++) {
        size_t piece = way->cut_count ? way->cuts[turn % way->cut_count] : size;
        if (piece > size - at) piece = size - at;
        /* A copy of its own size: reading beyond it shows. */
        uint8_t *copy = malloc(piece);
        if (!copy) abort();
        memcpy(copy, data + at, piece);
        for (size_t done = 0; done < piece && !ws_receiver_ended(rx);) {
            size_t used = 0;
            begin_batch(way->max_messages);
            status = feed_once(rx, copy + done, piece - done, way->in_place, &used);
            check_status(rx, status, used, piece - done, way->in_place);
            check_batch();
            for (int i = 0; i < list.count; i++)
                on_message(context, batch.kinds[i], ws_message_data(list.messages[i]),
                           fuzz_message_size(list.messages[i]));
            FUZZ_ASSERT(used || ws_receiver_ended(rx)); /* it moves */
            done += used;
            at += used;
        }
        free(copy);
    }
    if (ws_receiver_ended(rx)) check_nothing_comes(rx, data + at, size - at);
    fuzz_list_clear(&list);
    return status;
}

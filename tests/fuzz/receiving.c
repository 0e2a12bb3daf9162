/* Anything a server may send, received in several ways that must agree.
 *
 *     byte 0     bit 0: check UTF-8; 1: deflate; 2: with takeover; 3 to 5: window bits
 *                less 8; 6: answer PINGs
 *     byte 1     bits 0 to 3: max_message_size
 *     then       fuzz_take_way's bytes, and the stream
 */
#include <inttypes.h>
#include <string.h>

#include "feed.h"
#include "sender.h"
#include "wire.h"

enum { BYTE_BY_BYTE_TO = 1024 };

typedef struct {
    int validate, deflate, takeover, window_bits, answer;
    uint64_t max_message_size;
} setup;

/* Zeroed before use, padding and all: it is compared as bytes. */
typedef struct {
    uint64_t hash, count, controls, data_bytes, pings_hash;
    uint64_t status, fail_code;
    uint64_t frames, messages, payload_bytes, pings, pongs;
} outcome;

typedef struct {
    const setup *with;
    outcome *result;
} collector;

static uint64_t mix(uint64_t hash, const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint64_t word;
    for (; size >= 8; size -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    word = size;
    memcpy(&word, bytes, size);
    hash = (hash ^ word ^ (uint64_t)size << 56) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

/* The definition, by code points: RFC 3629, section 3. */
static int is_utf8(const uint8_t *data, size_t size) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < size;) {
        const uint8_t lead = data[i++];
        if ((lead >= 0x80 && lead < 0xC0) || lead >= 0xF8) return 0;
        const int more = (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0);
        if ((size_t)more > size - i) return 0;
        uint32_t point = more ? lead & (0x3Fu >> more) : lead;
        for (int n = 0; n < more; n++, i++) {
            if (data[i] >> 6 != 2) return 0;
            point = point << 6 | (data[i] & 0x3F);
        }
        if (point < least[more] || point > 0x10FFFF) return 0;
        if (point >= 0xD800 && point <= 0xDFFF) return 0;
    }
    return 1;
}

static void collect(void *context, int kind, const uint8_t *data, size_t size) {
    const setup *with = ((collector *)context)->with;
    outcome *result = ((collector *)context)->result;
    if (kind <= WS_KIND_BINARY) {
        FUZZ_ASSERT(size <= with->max_message_size);
        result->data_bytes += size;
    } else {
        FUZZ_ASSERT(size <= WS_CONTROL_MAX);
        result->controls++;
    }
    if (kind == WS_KIND_TEXT && with->validate) FUZZ_ASSERT(is_utf8(data, size));
    if (kind == WS_KIND_CLOSE && size) FUZZ_ASSERT(size >= 2 && is_utf8(data + 2, size - 2));
    if (kind == WS_KIND_PING) result->pings_hash = mix(result->pings_hash, data, size);
    result->count++;
    result->hash = mix(result->hash + (uint64_t)kind, data, size);
}

static void check_counters(const setup *with, const ws_receiver *rx, const outcome *result,
                           size_t size) {
    const ws_rx_counters *counters = &rx->counters;
    const int was_closed = result->status == WS_RX_CLOSED;
    FUZZ_ASSERT(counters->messages == result->count - result->controls);
    FUZZ_ASSERT(counters->pings + counters->pongs + (uint64_t)was_closed == result->controls);
    FUZZ_ASSERT(counters->frames >= result->count && counters->frames <= size / 2);
    FUZZ_ASSERT(counters->payload_bytes <= size);
    if (!with->deflate && !rx->fail_code)
        FUZZ_ASSERT(counters->payload_bytes == result->data_bytes + rx->message.size);
    FUZZ_ASSERT(rx->message.size <= rx->message.capacity);
    FUZZ_ASSERT(rx->fail_code == 0 || rx->fail_code == 1002 || rx->fail_code == 1007 ||
                rx->fail_code == 1009 || rx->fail_code == 1011);
    /* The memory of a message grows by doubling, and has one byte to show "too large". */
    if (with->max_message_size < 1 << 20)
        FUZZ_ASSERT(fuzz_largest_message <= 2 * (with->max_message_size + 1) + WS_CONTROL_MAX);
}

/* Every PING was answered, in order, with its own payload. */
static void check_pongs(const ws_sender *tx, const outcome *result) {
    uint64_t hash = 0, count = 0;
    FUZZ_ASSERT(tx->counters.pongs + tx->counters.pongs_skipped == result->pings);
    for (size_t at = 0; at < tx->queue.size; count++) {
        wire_frame frame;
        at += wire_decode(tx->queue.data + at, tx->queue.size - at, &frame);
        FUZZ_ASSERT(frame.fin && frame.rsv == 0 && frame.opcode == WS_OP_PONG);
        hash = mix(hash, frame.payload, frame.size);
    }
    FUZZ_ASSERT(count == tx->counters.pongs && count == tx->counters.frames);
    if (tx->counters.pongs_skipped == 0) FUZZ_ASSERT(hash == result->pings_hash);
}

static outcome receive(const setup *with, fuzz_input stream, const fuzz_way *way) {
    outcome result;
    ws_receiver rx;
    ws_sender tx = {0};
    collector context = {with, &result};
    memset(&result, 0, sizeof result);
    fuzz_largest_message = 0;
    ws_receiver_init(&rx, with->max_message_size, with->validate);
    if (with->answer) rx.pong_to = &tx;
    if (with->deflate) {
        rx.inflater = ws_inflater_new(with->window_bits, with->takeover);
        FUZZ_ASSERT(rx.inflater);
    }
    result.status = fuzz_feed(&rx, stream.data, stream.size, way, collect, &context);
    result.fail_code = (uint64_t)rx.fail_code;
    result.frames = rx.counters.frames;
    result.messages = rx.counters.messages;
    result.pings = rx.counters.pings;
    result.pongs = rx.counters.pongs;
    /* How much of a message that fails was looked at, a cut may change. */
    result.payload_bytes = rx.fail_code ? 0 : rx.counters.payload_bytes;
    check_counters(with, &rx, &result, stream.size);
    if (with->answer) check_pongs(&tx, &result);
    ws_receiver_free(&rx);
    ws_sender_free(&tx);
    return result;
}

static int same(const outcome *whole, const outcome *cut) {
    /* Where memory ends depends on how it grew, and that on the pieces. */
    if (whole->fail_code == 1011 || cut->fail_code == 1011) return 1;
    return memcmp(whole, cut, sizeof *whole) == 0;
}

/* In one piece and otherwise: the same messages, counters and failure. */
static int cuts_change_nothing(const setup *with, fuzz_input stream, const fuzz_way *ways,
                               int count, int loudly) {
    const fuzz_way in_one = {.max_messages = WS_BATCH_MAX};
    const outcome whole = receive(with, stream, &in_one);
    for (int way = 0; way < count; way++) {
        const outcome cut = receive(with, stream, &ways[way]);
        if (same(&whole, &cut)) continue;
        if (!loudly) return 0;
        const uint64_t *a = (const uint64_t *)&whole, *b = (const uint64_t *)&cut;
        fprintf(stderr, "way %d gives something else (field of the outcome: whole, cut)\n", way);
        for (size_t i = 0; i < sizeof whole / sizeof *a; i++)
            if (a[i] != b[i])
                fprintf(stderr, "%zu: %" PRIu64 ", %" PRIu64 "\n", i, a[i], b[i]);
        abort();
    }
    return 1;
}

void fuzz_receiving(fuzz_input input) {
    static const uint64_t sizes[16] = {
        0,    1,    2,     10,    125,     126,        127,             300,
        1000, 4096, 65535, 65536, 1 << 20, 1ull << 40, UINT64_MAX >> 1, UINT64_MAX};
    const uint8_t flags = fuzz_byte(&input);
    setup with = {.validate = flags & 1,
                  .deflate = flags >> 1 & 1,
                  .takeover = flags >> 2 & 1,
                  .window_bits = 8 + (flags >> 3 & 7),
                  .answer = flags >> 6 & 1,
                  .max_message_size = sizes[fuzz_byte(&input) & 15]};
    const fuzz_way ways[] = {fuzz_take_way(&input),
                             {.cut_count = 1, .cuts = {1}, .max_messages = 1}};
    const int count = input.size <= BYTE_BY_BYTE_TO ? 2 : 1;
    /* A peer that looks back further than the window it agreed to: zlib notices only what
     * lies before the piece at hand (deflate.h). With a whole window there is no "further". */
    const int may_look_too_far = with.deflate && with.window_bits < 15;
    if (cuts_change_nothing(&with, input, ways, count, !may_look_too_far)) return;
    with.window_bits = 15;
    cuts_change_nothing(&with, input, ways, count, 1);
}

/* From a stream of bytes to whole messages: RFC 6455, sections 5 and 8.1.
 *
 * Incremental: bytes may come cut anywhere. Hold the GIL (messages are Python's).
 * On a violation it stops for good and says which close code the peer is owed.
 */
#ifndef WS_RECEIVER_H
#define WS_RECEIVER_H

#include "batch.h"
#include "builder.h"
#include "deflate.h"
#include "frame.h"
#include "utf8.h"

typedef enum {
    WS_RX_OK = 0, /* all input used */
    WS_RX_FULL,   /* the batch is full; the rest of the input is not used */
    WS_RX_CLOSED, /* a CLOSE was received; what follows it is ignored */
    WS_RX_FAILED, /* see ws_receiver.fail_code and fail_text */
} ws_rx_status;

typedef struct {
    uint64_t frames, messages, payload_bytes, pings, pongs;
} ws_rx_counters;

typedef struct ws_sender ws_sender;

typedef struct {
    uint64_t max_message_size;
    int validate_utf8;
    ws_sender *pong_to; /* answers PINGs here; NULL: nobody answers. Borrowed */
    ws_inflater *inflater; /* owned; NULL: permessage-deflate was not negotiated */
    ws_rx_counters counters;
    int fail_code; /* close code: 1002, 1007, 1009 or 1011 (out of memory) */
    const char *fail_text;

    /* The rest is private. */
    uint8_t header[WS_HEADER_MAX], header_size;
    ws_frame_header frame;
    int in_frame;
    uint64_t frame_left;
    uint8_t control[WS_CONTROL_MAX];
    int message_kind; /* 0: none in progress */
    int compressed;   /* the message in progress */
    ws_builder message;
    ws_utf8 utf8;
    int closed;
} ws_receiver;

void ws_receiver_init(ws_receiver *rx, uint64_t max_message_size, int validate_utf8);
void ws_receiver_free(ws_receiver *rx);

/* 1 once a CLOSE was received or a violation found: no more messages will come. */
int ws_receiver_ended(const ws_receiver *rx);

/* Takes input and appends finished messages to the batch; *used says how much. */
ws_rx_status ws_receiver_feed(ws_receiver *rx, const uint8_t *data, size_t size, ws_batch *batch,
                              size_t *used);

/* Where the rest of the current frame's payload belongs, so that a large one is
 * read in place: returns its size (0: no such place) and sets *target. After
 * writing count <= size bytes there, call ws_receiver_filled. */
uint64_t ws_receiver_window(ws_receiver *rx, uint8_t **target);
ws_rx_status ws_receiver_filled(ws_receiver *rx, size_t count, ws_batch *batch);

#endif

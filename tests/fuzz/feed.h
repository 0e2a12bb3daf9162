/* A receiver, a batch, and a stream that is fed to it in a given way. */
#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H

#include "fuzz.h"
#include "receiver.h"

/* Called with each message in order; the data is borrowed. */
typedef void fuzz_on_message(void *context, int kind, const uint8_t *data, size_t size);

/* Feeds all of it, or until the receiver ended; then feeds the rest once more, of which
 * nothing may come. Checks what receiver.h promises about batches and statuses. */
ws_rx_status fuzz_feed(ws_receiver *rx, const uint8_t *data, size_t size, const fuzz_way *way,
                       fuzz_on_message *on_message, void *context);

#endif

/* Where one pump call puts what it received.
 *
 * Owned by the caller, reused for every call and every connection of one event
 * loop: the scratch memory is needed only during a call, so that an idle
 * connection holds none.
 */
#ifndef WS_BATCH_H
#define WS_BATCH_H

#include <stdint.h>

/* The values of libcurl's CURLWS_* flags, as the Python API shows them. */
enum {
    WS_KIND_TEXT = 1,
    WS_KIND_BINARY = 2,
    WS_KIND_CLOSE = 8,
    WS_KIND_PING = 16,
    WS_KIND_PONG = 64,
};

enum { WS_BATCH_MAX = 4096, WS_MARKS_MAX = 64, WS_SCRATCH_SIZE = 131072 };

typedef struct {
    uintptr_t list;      /* address of the Python list that messages go to, borrowed */
    int max_messages;
    int count;           /* messages appended to list */
    int control_count;   /* of them PING, PONG, CLOSE */
    int kind;            /* what all of them are, or 0 if they differ */
    unsigned char kinds[WS_BATCH_MAX];
    /* Messages before mark_end[i] (and from mark_end[i-1] on) were complete when
     * a read ended at mark_ns[i], Unix ns. */
    int mark_count;
    int mark_end[WS_MARKS_MAX];
    int64_t mark_ns[WS_MARKS_MAX];
    unsigned char scratch[WS_SCRATCH_SIZE];
} ws_batch;

#endif

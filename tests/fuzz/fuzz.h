/* What the parts of the fuzz target share. See target.c for the format of an input. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "message.h"

/* libFuzzer's interface. Always 0; aborts when something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(condition)                                                           \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                     \
        }                                                                                \
    } while (0)

/* The part of an input that is not used yet; borrowed. */
typedef struct {
    const uint8_t *data;
    size_t size;
} fuzz_input;

uint8_t fuzz_byte(fuzz_input *input); /* 0 when there is none */

/* In which pieces a stream is fed, and how many messages a batch takes. */
typedef struct {
    int cut_count; /* 0: in one piece */
    size_t cuts[8]; /* sizes of the pieces, > 0, over and over */
    int in_place;  /* by ws_receiver_window, where there is one */
    int max_messages;
} fuzz_way;

fuzz_way fuzz_take_way(fuzz_input *input);

/* What ws_message_deliver's list is here; owns its messages. */
typedef struct {
    int count;
    ws_message *messages[WS_BATCH_MAX];
} fuzz_list;

size_t fuzz_message_size(const ws_message *message);
void fuzz_list_clear(fuzz_list *list);
extern size_t fuzz_largest_message; /* the largest memory asked for; set it to 0 at will */

void fuzz_receiving(fuzz_input input);
void fuzz_sending(fuzz_input input);

#endif

/* Runs the target without libFuzzer, and so without its guidance by coverage.
 *
 *     driver FOLDER SECONDS SEED-FILE...     mutates the seeds for so many seconds
 *     driver FOLDER 0 FILE...                runs each file once
 *
 * The input on which it fails, or hangs for 25 s, is kept in FOLDER. Run it with
 * abort_on_error=1 in ASAN_OPTIONS and UBSAN_OPTIONS, so that every failure is an abort.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

enum { MAX_INPUT = 4096, MAX_SEEDS = 1024, MAX_SECONDS_EACH = 25 };

typedef struct {
    uint8_t data[MAX_INPUT];
    size_t size;
} input;

static uint64_t state;
static char failed_path[4096];
static const uint8_t *running;
static size_t running_size;

static unsigned below(unsigned limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return limit ? (unsigned)(state >> 20) % limit : 0;
}

static void insert(input *in, const uint8_t *data, size_t size) {
    size_t at = below((unsigned)in->size + 1);
    if (in->size + size > MAX_INPUT) return;
    memmove(in->data + at + size, in->data + at, in->size - at);
    memcpy(in->data + at, data, size);
    in->size += size;
}

static void mutate(input *in, const input *other) {
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1,
                                      0x41, 0x7D, 0x7E, 0x7F, 0xFE, 0xFF, 0xED, 0xF4, 0xC0, 0xE0};
    uint8_t byte = telling[below(sizeof telling)];
    size_t at = below((unsigned)in->size), count;
    switch (below(6)) {
        case 0: in->data[at] = byte; break;
        case 1: in->data[at] ^= (uint8_t)(1u << below(8)); break;
        case 2: insert(in, &byte, 1); break;
        case 3: /* drop a run, but not all */
            count = 1 + below(8);
            if (at + count >= in->size) break;
            memmove(in->data + at, in->data + at + count, in->size - at - count);
            in->size -= count;
            break;
        case 4:
            at = below((unsigned)other->size);
            insert(in, other->data + at, other->size - at);
            break;
        default: in->data[at] = (uint8_t)below(256);
    }
}

/* Only what a signal handler may call. */
static void keep(int signal) {
    static const char said[] = "the input is kept in ";
    int file = open(failed_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || write(file, running, running_size) != (ssize_t)running_size ||
        write(2, said, sizeof said - 1) < 0 || write(2, failed_path, strlen(failed_path)) < 0 ||
        write(2, "\n", 1) < 0)
        _exit(3);
    _exit(128 + signal);
}

static void run(const uint8_t *data, size_t size) {
    running = data;
    running_size = size;
    alarm(MAX_SECONDS_EACH);
    LLVMFuzzerTestOneInput(data, size);
    alarm(0);
}

static int run_file(const char *path, input *seed) {
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), -1;
    uint8_t *data = malloc(1 << 20);
    if (!data) abort();
    size_t size = fread(data, 1, 1 << 20, file);
    fclose(file);
    run(data, size);
    seed->size = size < MAX_INPUT ? size : MAX_INPUT;
    memcpy(seed->data, data, seed->size);
    free(data);
    return 0;
}

int main(int count, char **arguments) {
    static input seeds[MAX_SEEDS], current;
    unsigned seed_count = 0;
    unsigned long runs = 0;
    if (count < 4) return fprintf(stderr, "driver FOLDER SECONDS FILE...\n"), 2;
    const double seconds = atof(arguments[2]);
    state = (uint64_t)time(NULL) * 0x9E3779B97F4A7C15u | 1;
    snprintf(failed_path, sizeof failed_path, "%s/crash-%lx", arguments[1],
             (unsigned long)time(NULL));
    signal(SIGABRT, keep);
    signal(SIGALRM, keep);
    for (int i = 3; i < count && seed_count < MAX_SEEDS; i++) {
        if (run_file(arguments[i], &seeds[seed_count]) != 0) return 2;
        if (seeds[seed_count].size) seed_count++;
    }
    if (seed_count == 0) seed_count = 1, seeds[0].size = 1;
    for (time_t began = time(NULL); difftime(time(NULL), began) < seconds; runs++) {
        current = seeds[below(seed_count)];
        for (unsigned n = 1 + below(8); n; n--) mutate(&current, &seeds[below(seed_count)]);
        run(current.data, current.size);
    }
    printf("%d files, %lu mutated inputs, nothing found\n", count - 3, runs);
    return 0;
}

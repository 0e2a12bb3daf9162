#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "zlib_api.h"

enum { MAX_MESSAGE = 65536 };

typedef struct {
    fuzz_log log;
    ws_pump_status status;
    int fail_code;
} outcome;

static ws_pump_status pump(ws_conn *conn, ws_batch *batch, void *log, int most) {
    return ws_conn_pump(conn, batch, (uintptr_t)log, most, 1 << 20, 1000000000);
}

static outcome run(const uint8_t *data, size_t size, unsigned options, size_t chunk) {
    static ws_batch batch;
    outcome result = {0};
    ws_conn *conn = ws_conn_new(NULL, MAX_MESSAGE, options & 1);
    if (!conn) abort();
    if (options & 2 && ws_conn_compress(conn, 8 + (options >> 3 & 7), options >> 2 & 1, 15, 1, -1))
        abort();
    if (ws_memory_feed(conn, data, size, 1) != 0) abort();
    ws_memory_limits(conn, chunk, 1 << 20);
    do {
        const int most = chunk ? (int)chunk : WS_BATCH_MAX;
        result.status = pump(conn, &batch, &result.log, most);
        if (batch.count > most || batch.control_count > batch.count) abort();
    } while (result.status == WS_PUMP_MORE);
    result.fail_code = ws_conn_fail_code(conn);
    /* After an end everything is discarded, without a message more. */
    if (result.status == WS_PUMP_CLOSED || result.status == WS_PUMP_FAILED) {
        ws_pump_status more;
        do {
            more = pump(conn, &batch, &result.log, WS_BATCH_MAX);
            if (batch.count) abort();
        } while (more == WS_PUMP_MORE);
        if (more != WS_PUMP_EOF) abort();
    }
    ws_conn_free(conn);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    if (!ws_zlib_available()) ws_zlib_load(NULL);
    unsigned options = ws_zlib_available() ? data[0] : data[0] & ~2u;
    outcome whole = run(data + 2, size - 2, options, 0);
    outcome cut = run(data + 2, size - 2, options, 1 + data[1] % 200);
    if (memcmp(&whole.log, &cut.log, sizeof whole.log) != 0 || whole.status != cut.status ||
        whole.fail_code != cut.fail_code) {
        fprintf(stderr, "cut: %llu messages, status %d, code %d; whole: %llu, %d, %d\n",
                (unsigned long long)cut.log.count, cut.status, cut.fail_code,
                (unsigned long long)whole.log.count, whole.status, whole.fail_code);
        abort();
    }
    return 0;
}

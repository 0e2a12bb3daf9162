/* What Python sees; the contracts are in src/*.h. */

int ws_provider_load(const char *path, char *error, size_t error_size);
const char *ws_provider_version(void);
unsigned ws_provider_version_num(void);
int ws_provider_can_impersonate(void);
int ws_zlib_available(void);

typedef struct ws_easy ws_easy;
ws_easy *ws_easy_new(void);
void ws_easy_free(ws_easy *easy);
void ws_easy_reset(ws_easy *easy);
int ws_easy_set_long(ws_easy *easy, int option, long value);
int ws_easy_set_off(ws_easy *easy, int option, int64_t value);
int ws_easy_set_string(ws_easy *easy, int option, const char *value);
int ws_easy_add_line(ws_easy *easy, int option, const char *line);
int ws_easy_option_named(const char *name);
int ws_easy_impersonate(ws_easy *easy, const char *target, int default_headers);
int ws_easy_set_body(ws_easy *easy, const void *data, size_t size);
int ws_easy_collect(ws_easy *easy, size_t limit);
const unsigned char *ws_easy_body(const ws_easy *easy, size_t *size);
int ws_easy_body_too_large(const ws_easy *easy);
int ws_easy_perform(ws_easy *easy);
void ws_easy_abort(ws_easy *easy);
const char *ws_easy_strerror(int code);
const char *ws_easy_error_text(ws_easy *easy);
long ws_easy_response_code(ws_easy *easy);
int ws_easy_socket(ws_easy *easy);
int ws_easy_info_long(ws_easy *easy, int info, long *value);
int ws_easy_info_off(ws_easy *easy, int info, int64_t *value);
int ws_easy_info_double(ws_easy *easy, int info, double *value);
int ws_easy_info_string(ws_easy *easy, int info, const char **value);
int ws_easy_next_header(ws_easy *easy, int rewind, const char **name, const char **value);

typedef struct {
    int count;
    int control_count;
    int kind;
    unsigned char kinds[4096];
    int mark_count;
    int mark_end[64];
    int64_t mark_ns[64];
    ...;
} ws_batch;

typedef enum { WS_IO_OK, WS_IO_AGAIN, WS_IO_EOF, WS_IO_ERROR, ... } ws_io;
typedef enum {
    WS_PUMP_AGAIN, WS_PUMP_MORE, WS_PUMP_CLOSED, WS_PUMP_EOF, WS_PUMP_FAILED, WS_PUMP_IO_ERROR, ...
} ws_pump_status;
typedef struct {
    uint64_t frames_in, messages_in, payload_bytes_in, wire_bytes_in, pings_in, pongs_in;
    uint64_t frames_out, wire_bytes_out, pongs_out, pongs_skipped;
} ws_counters;

typedef struct ws_conn ws_conn;
ws_conn *ws_conn_new(ws_easy *easy, uint64_t max_message_size, int validate_utf8);
void ws_conn_free(ws_conn *conn);
ws_pump_status ws_conn_pump(ws_conn *conn, ws_batch *batch, uintptr_t list, int max_messages,
                            int64_t max_bytes, int64_t max_ns);
int ws_conn_compress(ws_conn *conn, int peer_bits, int peer_takeover, int own_bits,
                     int own_takeover, int level);
int ws_conn_send(ws_conn *conn, int fin, int opcode, const unsigned char *payload, size_t size);
ws_io ws_conn_flush(ws_conn *conn, int64_t max_ns);
size_t ws_conn_unsent(const ws_conn *conn);
enum { WS_WRITE_NO_MEMORY = -1, WS_WRITE_ERROR = -2 };
int64_t ws_conn_write(ws_conn *conn, int fin, int opcode, const unsigned char *payload,
                      size_t size, int64_t max_ns);
int ws_conn_close_sent(const ws_conn *conn);
int ws_conn_fail_code(const ws_conn *conn);
const char *ws_conn_fail_text(const ws_conn *conn);
int ws_conn_curl_code(const ws_conn *conn);
void ws_conn_counters(const ws_conn *conn, ws_counters *counters);
int ws_memory_feed(ws_conn *conn, const unsigned char *data, size_t size, int at_eof);
size_t ws_memory_take(ws_conn *conn, unsigned char *target, size_t size);
void ws_memory_limits(ws_conn *conn, size_t read_chunk, size_t write_capacity);

void ws_mask(unsigned char *target, const unsigned char *source, size_t size,
             const unsigned char key[4]);
void ws_mask_scalar(unsigned char *target, const unsigned char *source, size_t size,
                    const unsigned char key[4]);

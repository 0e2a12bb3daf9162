#include "easy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "curl_constants.h"
#include "provider.h"

#define MAX_LISTS 4
#define ERROR_SIZE 256 /* CURL_ERROR_SIZE */

typedef struct {
    int option;
    void *list;
} list_option;

struct ws_easy {
    void *handle;
    atomic_int aborted;
    list_option lists[MAX_LISTS];
    size_t list_count;
    ws_body body;
    void *header; /* libcurl's, the last one that was asked for */
    char error[ERROR_SIZE];
};

/* libcurl's struct curl_header; stable since 7.83. */
typedef struct {
    char *name;
    char *value;
    size_t amount;
    size_t index;
    unsigned origin;
    void *anchor;
} curl_header;

/* libcurl's struct curl_easyoption; stable since 7.73. */
typedef struct {
    const char *name;
    int id;
    int type;
    unsigned flags;
} curl_easyoption;

static int on_progress(void *context, int64_t dltotal, int64_t dlnow, int64_t ultotal,
                       int64_t ulnow) {
    (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
    ws_easy *easy = context;
    return atomic_load(&easy->aborted);
}

/* libcurl's own default writes the body of a refusal to standard output. */
static size_t on_unwanted_body(const char *data, size_t size, size_t count, void *context) {
    (void)data, (void)context;
    return size * count;
}

static void set_own_options(ws_easy *easy) {
    ws_curl.easy_setopt(easy->handle, WS_CURLOPT_XFERINFOFUNCTION, on_progress);
    ws_curl.easy_setopt(easy->handle, WS_CURLOPT_XFERINFODATA, easy);
    ws_curl.easy_setopt(easy->handle, WS_CURLOPT_NOPROGRESS, 0L);
    ws_curl.easy_setopt(easy->handle, WS_CURLOPT_WRITEFUNCTION, on_unwanted_body);
    ws_curl.easy_setopt(easy->handle, WS_CURLOPT_ERRORBUFFER, easy->error);
}

ws_easy *ws_easy_new(void) {
    if (!ws_curl.easy_init) return NULL;
    ws_easy *easy = calloc(1, sizeof *easy);
    if (!easy) return NULL;
    easy->handle = ws_curl.easy_init();
    if (!easy->handle) {
        free(easy);
        return NULL;
    }
    set_own_options(easy);
    return easy;
}

/* What options point to: only after libcurl has let go of them. */
static void free_values(ws_easy *easy) {
    for (size_t i = 0; i < easy->list_count; i++) ws_curl.slist_free_all(easy->lists[i].list);
    memset(easy->lists, 0, sizeof easy->lists);
    easy->list_count = 0;
    ws_body_free(&easy->body);
    memset(&easy->body, 0, sizeof easy->body);
}

void ws_easy_free(ws_easy *easy) {
    if (!easy) return;
    ws_curl.easy_cleanup(easy->handle);
    free_values(easy);
    free(easy);
}

void ws_easy_reset(ws_easy *easy) {
    ws_curl.easy_reset(easy->handle);
    free_values(easy);
    easy->header = NULL;
    easy->error[0] = '\0';
    atomic_store(&easy->aborted, 0);
    set_own_options(easy);
}

/* curl_easy_setopt believes whatever it is given: a string where it expects a list
 * would be followed as one. Only kinds that libcurl copies are let through. */
static int check_type(int option, int type, int same) {
    const curl_easyoption *known = ws_curl.easy_option_by_id(option);
    if (!known) return WS_CURLE_UNKNOWN_OPTION;
    return known->type == type || known->type == same ? WS_CURLE_OK
                                                      : WS_CURLE_BAD_FUNCTION_ARGUMENT;
}

int ws_easy_set_long(ws_easy *easy, int option, long value) {
    int code = check_type(option, WS_CURLOT_LONG, WS_CURLOT_VALUES);
    if (code != WS_CURLE_OK) return code;
    return ws_curl.easy_setopt(easy->handle, option, value);
}

int ws_easy_set_off(ws_easy *easy, int option, int64_t value) {
    int code = check_type(option, WS_CURLOT_OFF_T, WS_CURLOT_OFF_T);
    if (code != WS_CURLE_OK) return code;
    return ws_curl.easy_setopt(easy->handle, option, value);
}

int ws_easy_set_string(ws_easy *easy, int option, const char *value) {
    int code = check_type(option, WS_CURLOT_STRING, WS_CURLOT_STRING);
    if (code != WS_CURLE_OK) return code;
    return ws_curl.easy_setopt(easy->handle, option, value);
}

int ws_easy_add_line(ws_easy *easy, int option, const char *line) {
    list_option *entry = NULL;
    int code = check_type(option, WS_CURLOT_SLIST, WS_CURLOT_SLIST);
    if (code != WS_CURLE_OK) return code;
    for (size_t i = 0; i < easy->list_count; i++)
        if (easy->lists[i].option == option) entry = &easy->lists[i];
    if (!entry) {
        if (easy->list_count == MAX_LISTS) return WS_CURLE_OUT_OF_MEMORY;
        entry = &easy->lists[easy->list_count++];
        entry->option = option;
    }
    void *list = ws_curl.slist_append(entry->list, line);
    if (!list) return WS_CURLE_OUT_OF_MEMORY;
    entry->list = list;
    return ws_curl.easy_setopt(easy->handle, option, list);
}

int ws_easy_option_named(const char *name) {
    const curl_easyoption *known =
        ws_curl.easy_option_by_name ? ws_curl.easy_option_by_name(name) : NULL;
    return known ? known->id : 0;
}

int ws_easy_impersonate(ws_easy *easy, const char *target, int default_headers) {
    if (!ws_curl.easy_impersonate) return WS_CURLE_NOT_BUILT_IN;
    return ws_curl.easy_impersonate(easy->handle, target, default_headers);
}

int ws_easy_set_body(ws_easy *easy, const void *data, size_t size) {
    /* In this order: libcurl copies as many bytes as it has been told of. */
    int code =
        ws_curl.easy_setopt(easy->handle, WS_CURLOPT_POSTFIELDSIZE_LARGE, (int64_t)size);
    if (code != WS_CURLE_OK) return code;
    return ws_curl.easy_setopt(easy->handle, WS_CURLOPT_COPYPOSTFIELDS, data);
}

int ws_easy_collect(ws_easy *easy, size_t limit) {
    ws_body_begin(&easy->body, limit);
    int code = ws_curl.easy_setopt(easy->handle, WS_CURLOPT_WRITEFUNCTION, ws_body_write);
    if (code != WS_CURLE_OK) return code;
    return ws_curl.easy_setopt(easy->handle, WS_CURLOPT_WRITEDATA, &easy->body);
}

const unsigned char *ws_easy_body(const ws_easy *easy, size_t *size) {
    *size = easy->body.bytes.size;
    return easy->body.bytes.data;
}

int ws_easy_body_too_large(const ws_easy *easy) {
    return easy->body.status == WS_BODY_TOO_LARGE;
}

int ws_easy_perform(ws_easy *easy) {
    easy->error[0] = '\0';
    easy->header = NULL;
    return ws_curl.easy_perform(easy->handle);
}

void ws_easy_abort(ws_easy *easy) { atomic_store(&easy->aborted, 1); }

const char *ws_easy_strerror(int code) {
    return ws_curl.easy_strerror ? ws_curl.easy_strerror(code) : "no libcurl loaded";
}

const char *ws_easy_error_text(ws_easy *easy) { return easy->error; }

long ws_easy_response_code(ws_easy *easy) {
    long code = 0;
    ws_curl.easy_getinfo(easy->handle, WS_CURLINFO_RESPONSE_CODE, &code);
    return code;
}

int ws_easy_socket(ws_easy *easy) {
    int fd = WS_CURL_SOCKET_BAD; /* curl_socket_t is an int, whatever the info's type says */
    if (ws_curl.easy_getinfo(easy->handle, WS_CURLINFO_ACTIVESOCKET, &fd) != WS_CURLE_OK)
        return -1;
    return fd;
}

int ws_easy_info_long(ws_easy *easy, int info, long *value) {
    return ws_curl.easy_getinfo(easy->handle, info, value);
}

int ws_easy_info_off(ws_easy *easy, int info, int64_t *value) {
    return ws_curl.easy_getinfo(easy->handle, info, value);
}

int ws_easy_info_double(ws_easy *easy, int info, double *value) {
    return ws_curl.easy_getinfo(easy->handle, info, value);
}

int ws_easy_info_string(ws_easy *easy, int info, const char **value) {
    return ws_curl.easy_getinfo(easy->handle, info, value);
}

int ws_easy_next_header(ws_easy *easy, int rewind, const char **name, const char **value) {
    /* libcurl files the headers of a 101 reply under 1XX, those of a refusal
     * under HEADER. */
    const unsigned origins = WS_CURLH_HEADER | WS_CURLH_1XX;
    if (!rewind && !easy->header) return 0;
    curl_header *header =
        ws_curl.easy_nextheader(easy->handle, origins, -1, rewind ? NULL : easy->header);
    easy->header = header;
    if (!header) return 0;
    *name = header->name;
    *value = header->value;
    return 1;
}

void *ws_easy_handle(ws_easy *easy) { return easy->handle; }

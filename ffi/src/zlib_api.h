/* zlib's inflate and deflate, found at run time.
 *
 * Not linked, and no zlib.h needed to compile: libcurl-impersonate carries zlib
 * and exports it, and where it does not, libz.so.1 is on nearly every system.
 * The declarations below are zlib's public ABI, unchanged since 1.2.0
 * (https://zlib.net/manual.html).
 */
#ifndef WS_ZLIB_API_H
#define WS_ZLIB_API_H

typedef struct {
    const unsigned char *next_in;
    unsigned avail_in;
    unsigned long total_in;
    unsigned char *next_out;
    unsigned avail_out;
    unsigned long total_out;
    const char *msg;
    void *state;
    void *(*zalloc)(void *, unsigned, unsigned);
    void (*zfree)(void *, void *);
    void *opaque;
    int data_type;
    unsigned long adler;
    unsigned long reserved;
} ws_z_stream;

enum { WS_Z_SYNC_FLUSH = 2, WS_Z_DEFLATED = 8, WS_Z_DEFAULT_STRATEGY = 0 };
enum { WS_Z_OK = 0, WS_Z_STREAM_END = 1, WS_Z_BUF_ERROR = -5, WS_Z_MEM_ERROR = -4 };

typedef struct {
    const char *(*version)(void);
    int (*inflate_init2)(ws_z_stream *, int window_bits, const char *version, int size);
    int (*inflate)(ws_z_stream *, int flush);
    int (*inflate_reset)(ws_z_stream *);
    int (*inflate_reset_keep)(ws_z_stream *); /* keeps the window; since 1.2.5.2 */
    int (*inflate_end)(ws_z_stream *);
    int (*deflate_init2)(ws_z_stream *, int level, int method, int window_bits, int mem_level,
                         int strategy, const char *version, int size);
    int (*deflate)(ws_z_stream *, int flush);
    int (*deflate_reset)(ws_z_stream *);
    int (*deflate_end)(ws_z_stream *);
} ws_zlib_api;

extern ws_zlib_api ws_zlib;

/* Looks in library (a dlopen handle) first, then in libz.so.1. 0, or -1: there is
 * none. Call once, before any connection. */
int ws_zlib_load(void *library);
int ws_zlib_available(void);

#endif

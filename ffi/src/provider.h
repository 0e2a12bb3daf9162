/* libcurl, loaded at run time.
 *
 * One process-wide function table, filled once; afterwards read-only, so it
 * needs no lock. Nothing here touches Python: call with or without the GIL.
 */
#ifndef WS_PROVIDER_H
#define WS_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int (*global_init)(long flags);
    void *(*easy_init)(void);
    void (*easy_cleanup)(void *easy);
    void (*easy_reset)(void *easy);
    int (*easy_setopt)(void *easy, int option, ...);
    int (*easy_getinfo)(void *easy, int info, ...);
    int (*easy_perform)(void *easy);
    int (*easy_recv)(void *easy, void *buffer, size_t size, size_t *got);
    int (*easy_send)(void *easy, const void *buffer, size_t size, size_t *sent);
    const char *(*easy_strerror)(int code);
    int (*easy_header)(void *easy, const char *name, size_t index, unsigned origin, int request,
                       void **header);
    void *(*easy_nextheader)(void *easy, unsigned origin, int request, void *previous);
    const void *(*easy_option_by_id)(int option);
    const void *(*easy_option_by_name)(const char *name);
    void *(*slist_append)(void *list, const char *text);
    void (*slist_free_all)(void *list);
    /* NULL unless the provider is libcurl-impersonate. */
    int (*easy_impersonate)(void *easy, const char *target, int default_headers);
} ws_curl_api;

extern ws_curl_api ws_curl;

/* Loads libcurl from the shared object at path (RTLD_LOCAL: its symbols are
 * seen by nobody else). Returns 0, or -1 with a readable reason in error.
 * The library stays loaded for the life of the process. Loading twice is an
 * error: handles of two libraries must not meet. */
int ws_provider_load(const char *path, char *error, size_t error_size);

/* Of the loaded library; borrowed, valid for the life of the process.
 * NULL and 0 before a load. */
const char *ws_provider_version(void);
unsigned ws_provider_version_num(void);
int ws_provider_can_impersonate(void);

#endif

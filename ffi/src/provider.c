#include "provider.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "curl_constants.h"
#include "zlib_api.h"

/* 8.21 is the first that keeps a frame which arrives glued to the 101 reply. */
#define OLDEST_USABLE 0x081500u

/* The leading fields of libcurl's curl_version_info_data; they never move. */
typedef struct {
    int age;
    const char *version;
    unsigned version_num;
    const char *host;
    int features;
    const char *ssl_version;
    long ssl_version_num;
    const char *libz_version;
    const char *const *protocols;
} version_info;

ws_curl_api ws_curl;
static const version_info *loaded;

static int has_protocol(const version_info *info, const char *name) {
    for (const char *const *p = info->protocols; p && *p; p++)
        if (strcmp(*p, name) == 0) return 1;
    return 0;
}

static int resolve_all(void *library, ws_curl_api *api, const char **missing) {
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {
        {"curl_global_init", &api->global_init},     {"curl_easy_init", &api->easy_init},
        {"curl_easy_cleanup", &api->easy_cleanup},   {"curl_easy_setopt", &api->easy_setopt},
        {"curl_easy_getinfo", &api->easy_getinfo},   {"curl_easy_perform", &api->easy_perform},
        {"curl_easy_recv", &api->easy_recv},         {"curl_easy_send", &api->easy_send},
        {"curl_easy_strerror", &api->easy_strerror}, {"curl_easy_header", &api->easy_header},
        {"curl_easy_reset", &api->easy_reset},       {"curl_easy_nextheader", &api->easy_nextheader},
        {"curl_easy_option_by_id", &api->easy_option_by_id},
        {"curl_easy_option_by_name", &api->easy_option_by_name},
        {"curl_slist_append", &api->slist_append},   {"curl_slist_free_all", &api->slist_free_all},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *symbol = dlsym(library, wanted[i].name);
        if (!symbol) {
            *missing = wanted[i].name;
            return -1;
        }
        memcpy(wanted[i].slot, &symbol, sizeof symbol);
    }
    void *optional = dlsym(library, "curl_easy_impersonate");
    memcpy(&api->easy_impersonate, &optional, sizeof optional);
    return 0;
}

int ws_provider_load(const char *path, char *error, size_t error_size) {
    const version_info *(*get_info)(int);
    const char *missing = NULL;
    ws_curl_api api;

    if (loaded) {
        snprintf(error, error_size, "libcurl %s is loaded already", loaded->version);
        return -1;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(error, error_size, "%s", dlerror());
        return -1;
    }
    void *symbol = dlsym(library, "curl_version_info");
    if (!symbol) {
        snprintf(error, error_size, "not a libcurl: it has no curl_version_info");
        goto reject;
    }
    memcpy(&get_info, &symbol, sizeof symbol);
    const version_info *info = get_info(0);
    if (info->version_num < OLDEST_USABLE) {
        snprintf(error, error_size, "libcurl %s is too old: 8.21.0 or newer is needed",
                 info->version);
        goto reject;
    }
    if (!has_protocol(info, "ws")) {
        snprintf(error, error_size, "libcurl %s was built without WebSocket support",
                 info->version);
        goto reject;
    }
    if (resolve_all(library, &api, &missing) != 0) {
        snprintf(error, error_size, "libcurl %s lacks %s", info->version, missing);
        goto reject;
    }
    if (api.global_init(WS_CURL_GLOBAL_DEFAULT) != WS_CURLE_OK) {
        snprintf(error, error_size, "libcurl %s: curl_global_init failed", info->version);
        goto reject;
    }
    ws_zlib_load(library); /* without one there is no compression, that is all */
    ws_curl = api;
    loaded = info;
    return 0;

reject:
    dlclose(library);
    return -1;
}

const char *ws_provider_version(void) { return loaded ? loaded->version : NULL; }

unsigned ws_provider_version_num(void) { return loaded ? loaded->version_num : 0; }

int ws_provider_can_impersonate(void) { return loaded && ws_curl.easy_impersonate != NULL; }

#include "zlib_api.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

ws_zlib_api ws_zlib;
static int available;

static int resolve(void *library) {
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {
        {"zlibVersion", &ws_zlib.version},
        {"inflateInit2_", &ws_zlib.inflate_init2},
        {"inflate", &ws_zlib.inflate},
        {"inflateReset", &ws_zlib.inflate_reset},
        {"inflateResetKeep", &ws_zlib.inflate_reset_keep},
        {"inflateEnd", &ws_zlib.inflate_end},
        {"deflateInit2_", &ws_zlib.deflate_init2},
        {"deflate", &ws_zlib.deflate},
        {"deflateReset", &ws_zlib.deflate_reset},
        {"deflateEnd", &ws_zlib.deflate_end},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *symbol = dlsym(library, wanted[i].name);
        if (!symbol) return -1;
        memcpy(wanted[i].slot, &symbol, sizeof symbol);
    }
    return 0;
}

int ws_zlib_load(void *library) {
    const char *names[] = {"libz.so.1", "libz.1.dylib"};
    if (library && resolve(library) == 0) available = 1;
    for (size_t i = 0; !available && i < sizeof names / sizeof *names; i++) {
        void *zlib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (zlib && resolve(zlib) == 0) available = 1;
    }
    return available ? 0 : -1;
}

int ws_zlib_available(void) { return available; }

"""libcurl as transport and the RFC 6455 core, in C.

`lib` holds the functions of `cdef.h` (contracts in `src/*.h`), `ffi` makes and
reads their C data. Knows nothing of asyncio; `wscore` is the WebSocket library
on top.
"""

from ffi._native import ffi, lib

__all__ = ["ffi", "lib"]

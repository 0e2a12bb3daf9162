"""Builds `ffi._native`: cffi in API mode over the C files in `ffi/src`.

With `FFI_SANITIZE` set, AddressSanitizer and UBSan are compiled in (see `scripts/test`).
"""

import os
import re
from pathlib import Path

from cffi import FFI

# setuptools wants paths relative to the project's root, where it runs.
SOURCES = Path("ffi/src")


def _cdef() -> str:
    text = (Path(__file__).parent / "cdef.h").read_text()
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"]
sanitize = SANITIZE if os.environ.get("FFI_SANITIZE") else []

builder = FFI()
builder.cdef(_cdef())
builder.set_source(
    "ffi._native",
    "".join(f'#include "{name}.h"\n' for name in ("conn", "easy", "mask", "provider", "zlib_api")),
    sources=[str(path) for path in sorted(SOURCES.glob("*.c"))],
    depends=[str(path) for path in sorted(SOURCES.glob("*.h"))],
    include_dirs=[str(SOURCES)],
    extra_compile_args=["-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", *sanitize],
    extra_link_args=sanitize,
    libraries=["dl"],
)

if __name__ == "__main__":
    builder.compile(verbose=True)

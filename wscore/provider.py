"""Find a usable libcurl and load it, once per process.

Tried in order: the path in `WSCORE_LIBCURL`; the shared object inside the
`curl_cffi` wheel (libcurl-impersonate; none of that package's Python is
imported); the system's libcurl. A library is refused unless it is 8.21 or newer
and speaks `ws` (ffi/src/provider.c says why).
"""

import importlib.util
import os
import threading
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

from ffi import ffi, lib
from wscore.codes import CurlECode
from wscore.errors import CurlError

ENVIRONMENT_VARIABLE = "WSCORE_LIBCURL"

_lock = threading.Lock()
_failure: CurlError | None = None


def ensure_loaded() -> None:
    """Load libcurl unless that is done.

    Raises:
        CurlError: no candidate is usable; the text lists each with its reason.
    """
    global _failure
    if lib.ws_provider_version_num():
        return
    with _lock:
        if lib.ws_provider_version_num():
            return
        if _failure is None:
            _failure = _try_all()
        if _failure is not None:
            raise _failure


def version() -> str:
    """Return the loaded library's version, such as `8.23.0-IMPERSONATE`."""
    ensure_loaded()
    return ffi.string(lib.ws_provider_version()).decode()


def can_impersonate() -> bool:
    """Tell whether the loaded library is libcurl-impersonate."""
    ensure_loaded()
    return bool(lib.ws_provider_can_impersonate())


def _try_all() -> CurlError | None:
    reasons = []
    for path in _candidates():
        error = ffi.new("char[]", 512)
        if lib.ws_provider_load(os.fsencode(path), error, len(error)) == 0:
            return None
        reasons.append(f"  {path}: {ffi.string(error).decode(errors='replace')}")
    tried = "\n".join(reasons) or "  nothing found to try"
    return CurlError(
        f"no usable libcurl (8.21 or newer, with WebSocket support):\n{tried}\n"
        f"install curl_cffi 0.16 or newer, or name a library in {ENVIRONMENT_VARIABLE}",
        CurlECode.FAILED_INIT,
    )


def _candidates() -> Iterator[str]:
    explicit = os.environ.get(ENVIRONMENT_VARIABLE)
    if explicit:
        # Whoever names a library wants that one, not a silent substitute.
        yield explicit
        return
    spec = importlib.util.find_spec("curl_cffi")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from map(str, sorted(Path(folder).glob("_wrapper*.so")))
    system = find_library("curl")
    if system:
        yield system

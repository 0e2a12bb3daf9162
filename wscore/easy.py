"""A libcurl easy handle: options, the blocking handshake or request, the reply."""

import os
from collections.abc import Sequence
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any

from ffi import ffi, lib
from wscore.codes import CurlECode, CurlInfo, CurlOpt
from wscore.errors import CurlError
from wscore.provider import ensure_loaded

# The kind of an option's value is in its number (curl.h: CURLOPTTYPE_*).
_OBJECT, _FUNCTION, _OFF_T, _BLOB = 10_000, 20_000, 30_000, 40_000
# So is that of an info (curl.h: CURLINFO_*).
_INFO_KIND, _INFO_STRING, _INFO_DOUBLE = 0xF00000, 0x100000, 0x300000
_INFO_GETTERS = {
    _INFO_STRING: ("char const **", "ws_easy_info_string"),
    0x200000: ("long *", "ws_easy_info_long"),
    _INFO_DOUBLE: ("double *", "ws_easy_info_double"),
    0x600000: ("int64_t *", "ws_easy_info_off"),
}
_BAD_ARGUMENT = CurlECode.BAD_FUNCTION_ARGUMENT

# libcurl takes 5,000 from a server, and hands out each at the cost of a walk over all.
HEADERS_MAX = 500


class Easy:
    """Owns one `ws_easy`. Use from one thread at a time; `abort` from any.

    Raises:
        CurlError: no usable libcurl, or out of memory.
    """

    def __init__(self) -> None:
        # None when closed: cffi refuses it as a pointer, where C would follow NULL.
        self._handle: Any = None
        ensure_loaded()
        handle = lib.ws_easy_new()
        if handle == ffi.NULL:
            raise CurlError("curl_easy_init failed", CurlECode.FAILED_INIT)
        self._handle = handle

    @property
    def handle(self) -> Any:
        """The `ws_easy *`, borrowed."""
        return self._handle

    def set(self, option: CurlOpt | int, value: str | bytes | int | list[str]) -> None:
        """Set one option; a list adds its lines to a list option.

        Raises:
            CurlError: libcurl refuses the option or the value.
            TypeError: the value is of no type that the option could take.
        """
        code = self._set(int(option), value)
        if code != CurlECode.OK:
            name = option.name if isinstance(option, CurlOpt) else str(option)
            raise CurlError(f"CURLOPT_{name} = {value!r}: {_strerror(code)}", code)

    def _set(self, option: int, value: str | bytes | int | list[str]) -> int:
        if isinstance(value, list):
            codes = [lib.ws_easy_add_line(self._handle, option, line.encode()) for line in value]
            return next((code for code in codes if code), CurlECode.OK)
        if option < _OBJECT or _OFF_T <= option < _BLOB:
            if not isinstance(value, int):
                raise TypeError(f"option {option} takes an int, not {type(value).__name__}")
            setter = lib.ws_easy_set_long if option < _OBJECT else lib.ws_easy_set_off
            return int(setter(self._handle, option, value))
        if option >= _FUNCTION or isinstance(value, int):
            raise TypeError(f"option {option} cannot be set to {type(value).__name__}")
        text = value.encode() if isinstance(value, str) else value
        return int(lib.ws_easy_set_string(self._handle, option, text))

    def set_named(self, name: str, value: str | bytes | int | list[str]) -> None:
        """Set an option that only libcurl-impersonate may have, by its name.

        Raises:
            CurlError: this libcurl has no such option; or as `set`.
        """
        number = lib.ws_easy_option_named(name.encode())
        if number == 0:
            raise CurlError(
                f"this libcurl has no option {name}; libcurl-impersonate (curl_cffi) has",
                CurlECode.UNKNOWN_OPTION,
            )
        code = self._set(number, value)
        if code != CurlECode.OK:
            raise CurlError(f"CURLOPT_{name} = {value!r}: {_strerror(code)}", code)

    def info(self, info: CurlInfo | int) -> str | int | float | None:
        """Return what libcurl knows; None for a text it has not.

        Raises:
            CurlError: 48, unknown; 43, of a kind that is neither text nor number.
        """
        kind = int(info) & _INFO_KIND
        if info == CurlInfo.ACTIVESOCKET:
            return self.socket
        if kind not in _INFO_GETTERS:
            raise CurlError(f"info {info!r} is neither text nor number", _BAD_ARGUMENT)
        declaration, getter = _INFO_GETTERS[kind]
        target = ffi.new(declaration)
        code = getattr(lib, getter)(self._handle, int(info), target)
        if code != CurlECode.OK:
            raise CurlError(f"info {info!r}: {_strerror(code)}", code)
        value: Any = target[0]
        if kind != _INFO_STRING:
            return int(value) if kind != _INFO_DOUBLE else float(value)
        return None if value == ffi.NULL else ffi.string(value).decode(errors="replace")

    def impersonate(self, targets: Sequence[str], default_headers: bool) -> None:
        """Take on a browser's TLS and header fingerprint: the first that is known.

        Raises:
            CurlError: unknown target, or the library cannot impersonate.
        """
        code: int = CurlECode.BAD_FUNCTION_ARGUMENT
        for target in targets:
            code = lib.ws_easy_impersonate(self._handle, target.encode(), int(default_headers))
            if code != CurlECode.BAD_FUNCTION_ARGUMENT:
                break
        if code == CurlECode.NOT_BUILT_IN:
            raise CurlError("this libcurl cannot impersonate; install curl_cffi", code)
        if code != CurlECode.OK:
            raise CurlError(f"unknown impersonation target {targets[-1]!r}", code)

    def set_body(self, body: bytes) -> None:
        """Send *body*, with POST unless CUSTOMREQUEST says otherwise. It is copied."""
        code = lib.ws_easy_set_body(self._handle, body, len(body))
        if code != CurlECode.OK:
            raise CurlError(f"a body of {len(body)} bytes: {_strerror(code)}", code)

    def collect(self, limit: int) -> None:
        """Keep the body of the reply, of which more than *limit* bytes end `perform` with 23."""
        code = lib.ws_easy_collect(self._handle, limit)
        if code != CurlECode.OK:
            raise CurlError(f"collecting the body: {_strerror(code)}", code)

    def body(self) -> bytes:
        """Return what was collected, decoded (gzip, …)."""
        size = ffi.new("size_t *")
        data = lib.ws_easy_body(self._handle, size)
        return bytes(ffi.buffer(data, size[0])) if size[0] else b""

    @property
    def body_too_large(self) -> bool:
        """Whether `perform` ended because of `collect`'s limit."""
        return bool(lib.ws_easy_body_too_large(self._handle))

    def perform(self) -> int:
        """Run the handshake or request; blocks. Return libcurl's code."""
        return int(lib.ws_easy_perform(self._handle))

    def abort(self) -> None:
        """Make a running `perform` end within about a second."""
        lib.ws_easy_abort(self._handle)

    def describe(self, code: int) -> str:
        """Return libcurl's words on the last failure."""
        if code == CurlECode.OUT_OF_MEMORY and not _has_descriptor():
            # What libcurl says where it cannot make the pair of sockets it wakes up by.
            return f"no file descriptor is left of {getrlimit(RLIMIT_NOFILE)[0]:,}"
        return ffi.string(lib.ws_easy_error_text(self._handle)).decode(
            errors="replace"
        ) or _strerror(code)

    @property
    def status(self) -> int:
        """HTTP status of the last reply, 0 if none came."""
        return int(lib.ws_easy_response_code(self._handle))

    @property
    def socket(self) -> int:
        """The connection's file descriptor, -1 if there is none. libcurl owns it."""
        return int(lib.ws_easy_socket(self._handle))

    def headers(self) -> list[tuple[str, str]]:
        """The last reply's headers in order, the first `HEADERS_MAX`; non-ASCII as Latin-1."""
        found: list[tuple[str, str]] = []
        name, value = ffi.new("char const **"), ffi.new("char const **")
        while len(found) < HEADERS_MAX and lib.ws_easy_next_header(
            self._handle, not found, name, value
        ):
            found.append(
                (ffi.string(name[0]).decode("latin-1"), ffi.string(value[0]).decode("latin-1"))
            )
        return found

    def reset(self) -> None:
        """Forget all settings and the reply; the connection stays for the next `perform`."""
        lib.ws_easy_reset(self._handle)

    def close(self) -> None:
        """Free the handle and close its connection. Idempotent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            lib.ws_easy_free(handle)

    def __del__(self) -> None:
        self.close()


def _has_descriptor() -> bool:
    """Tell whether this process may open anything more."""
    try:
        ends = os.pipe()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True


def _strerror(code: int) -> str:
    return ffi.string(lib.ws_easy_strerror(code)).decode()

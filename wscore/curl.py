"""`Curl`: a libcurl easy handle for those who want to set or ask one thing more."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from wscore.codes import CurlECode, CurlInfo, CurlOpt
from wscore.easy import Easy
from wscore.errors import CurlError
from wscore.fingerprint import targets_for
from wscore.provider import version

Value = str | bytes | int | list[str]


class Curl:
    """Owns a handle, or shows that of a WebSocket. Use from one thread at a time.

    Only what a handshake needs: bodies of answers are thrown away, and there are
    no callbacks. `setopt` knows from an option's number which kind it takes.
    """

    def __init__(self, *, debug: bool = False) -> None:
        """*debug*: libcurl tells on standard error what it does.

        Raises:
            CurlError: no usable libcurl, or out of memory.
        """
        self._easy = Easy()
        self._owned = True
        if debug:
            self._easy.set(CurlOpt.VERBOSE, 1)

    @classmethod
    def of(cls, easy: Easy) -> Self:
        """Show a handle that somebody else owns."""
        curl = cls.__new__(cls)
        curl._easy = easy
        curl._owned = False
        return curl

    @staticmethod
    def version() -> str:
        """Return libcurl's version, such as `8.23.0-IMPERSONATE`."""
        return version()

    @property
    def closed(self) -> bool:
        """Whether the handle is gone."""
        return self._easy.handle is None

    def setopt(self, option: CurlOpt | int, value: Value) -> None:
        """Set an option; a list adds its lines to a list option.

        Raises:
            CurlError: libcurl refuses it, or the handle is closed.
            TypeError: a value of a kind that the option cannot take.
        """
        self._open().set(option, value)

    def setopts(self, options: Mapping[int, Value]) -> None:
        """Set several; see `setopt`."""
        for option, value in options.items():
            self.setopt(option, value)

    def getinfo(self, info: CurlInfo | int) -> str | int | float | None:
        """Return what libcurl knows of the last transfer; None for a text it has not.

        Raises:
            CurlError: libcurl does not know it, it is neither text nor number, or the
                handle is closed.
        """
        return self._open().info(info)

    def impersonate(self, target: str, default_headers: bool = True) -> None:
        """Take on a browser's fingerprint, such as `chrome` or `firefox147`.

        Raises:
            CurlError: an unknown target, or a libcurl that cannot.
        """
        self._open().impersonate(targets_for(target), default_headers)

    def perform(self) -> None:
        """Do what the options say; blocks.

        Raises:
            CurlError: it failed.
        """
        easy = self._open()
        code = easy.perform()
        if code != CurlECode.OK:
            raise CurlError(easy.describe(code), code)

    def close(self) -> None:
        """Free the handle. Idempotent.

        Raises:
            CurlError: it is a WebSocket's, whose `terminate` frees it.
        """
        if not self._owned and not self.closed:
            raise CurlError(
                "this handle belongs to a WebSocket: call its close() or terminate()",
                CurlECode.BAD_FUNCTION_ARGUMENT,
            )
        self._easy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> Easy:
        if self.closed:
            raise CurlError("the handle is closed", CurlECode.BAD_FUNCTION_ARGUMENT)
        return self._easy

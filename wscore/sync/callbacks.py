"""Calls users' callbacks so that what goes wrong in one is not lost."""

import logging
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("wscore")

Callback = Callable[..., Any]


class Callbacks:
    """The callbacks of one owner, each called with it as the first argument.

    An exception in one of them goes to `on_error`, and the connection lives on. One
    in `on_error` itself, or without an `on_error`, is logged under `wscore`.
    """

    def __init__(self, owner: Any) -> None:
        """*owner* has the callbacks as attributes, None for those that are not wanted."""
        self._owner = owner

    def call(self, name: str, *arguments: Any) -> None:
        """Call `owner.<name>`, if it is set."""
        callback: Callback | None = getattr(self._owner, name)
        if callback is None:
            return
        try:
            callback(self._owner, *arguments)
        except Exception as error:  # noqa: BLE001 - it is the user's; it goes to on_error
            if name == "on_error":
                _log.exception("exception in on_error")
            else:
                self.report(error, f"exception in {name}")

    def report(self, error: BaseException, what: str) -> None:
        """Give *error* to `on_error`; without one, log it."""
        if self._owner.on_error is None:
            _log.error("%s", what, exc_info=error)
        else:
            self.call("on_error", error)

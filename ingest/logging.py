"""Logging: one line per event on stderr, for people or as JSON.

`configure` once per process, then `structlog.get_logger()`; context is bound
with `log.bind(connection=…)` or, for a whole process, `bind_context(worker=0)`.
Libraries that use the standard library's logging come out the same way.

Below the level a call costs about a function call: structlog replaces the
method. Every event has `timestamp` (ISO 8601, UTC, microseconds) and `level`;
passwords in URLs, values under keys that look secret and those of secret variables of the
environment are masked, in the traceback of an error that nobody caught as well.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ingest.redact import MASK, hide_environment, is_secret_key, redact_text

Format = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]

_MAX_NESTING = 4
_FIRST = ("timestamp", "level", "event", "worker", "connection")


def configure(format: Format = "console", level: Level = "info") -> None:
    """Set up structlog and the standard library's logging for this process.

    Loggers that are module globals keep what they saw first, so that a filtered
    call stays cheap: configure before the first event.
    """
    hide_environment(os.environ)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        add_timestamp,
        structlog.processors.format_exc_info,
        redact_event,
        order_event,
    ]
    render = _renderer(format)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=_Logger,
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_of_thread


def set_level(level: Level) -> None:
    """Log from that level on, from now on.

    Loggers keep the class that they were made of, so it is the class that changes.
    """
    threshold: int = logging.getLevelNamesMapping()[level.upper()]
    for name, value in vars(structlog.make_filtering_bound_logger(threshold)).items():
        if not name.startswith("_"):
            setattr(_Logger, name, value)
    logging.getLogger().setLevel(threshold)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    # What Python would print may quote a URL.
    structlog.get_logger(__name__).critical("an error was not caught", exc_info=error)


def _log_uncaught_of_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_value is not None:
        name = uncaught.thread.name if uncaught.thread is not None else None
        structlog.get_logger(__name__).critical(
            "an error was not caught", thread=name, exc_info=uncaught.exc_value
        )


def bind_context(**values: Any) -> None:
    """Add values to every event of this process (or of this task and those it starts)."""
    structlog.contextvars.bind_contextvars(**values)


def add_timestamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the time, always with six digits after the point so that lines sort as text."""
    now = datetime.now(UTC)
    event["timestamp"] = f"{now:%Y-%m-%dT%H:%M:%S.%f}Z"
    return event


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what is secret, by the key or by the look of the value."""
    for key, value in event.items():
        event[key] = _redacted(key, value, _MAX_NESTING)
    return event


def order_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put when, what and where first, then the event's own values as they were given."""
    first = {key: event.pop(key) for key in _FIRST if key in event}
    return {**first, **event}


def _redacted(key: str, value: Any, nesting: int) -> Any:
    if is_secret_key(key) and not isinstance(value, bool | int | float | None):
        return MASK
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if nesting and isinstance(value, Mapping):
        return {k: _redacted(str(k), v, nesting - 1) for k, v in value.items()}
    if nesting and isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", item, nesting - 1) for item in value]
    # An exception says more as text; anything else (a Struct, a path, bytes)
    # is written by its repr, which may hold a URL as well.
    return redact_text(str(value) if isinstance(value, BaseException) else repr(value))


def _renderer(format: Format) -> Processor:
    if format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        sort_keys=False,  # whoever logs gives the most telling value first
        # Rich tracebacks show local variables, and with them secrets.
        exception_formatter=structlog.dev.plain_traceback,
    )


class _Logger(structlog.make_filtering_bound_logger(logging.DEBUG)):  # type: ignore[misc]
    """Of all loggers; `set_level` gives it other methods."""


class _StderrLogger:
    """Writes each line with one call, so that the lines of several processes stay whole."""

    def __init__(self, *_names: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        except OSError:
            # Whoever read stderr is gone. There is nowhere left to say so, and
            # market data must not stop for it.
            return

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


def worth_a_line(attempt: int) -> bool:
    """Tell whether the log should mention this attempt (1, 2, 4, 8, …).

    The first is news; after that a line each time the number doubles shows that
    it goes on without filling the log.
    """
    return attempt & (attempt - 1) == 0

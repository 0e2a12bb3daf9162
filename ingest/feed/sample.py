"""A log for things that may happen a million times: a sample now and then, the rest counted."""

import time

import structlog

_log = structlog.get_logger(__name__)

_EVERY_S = 10.0
_SAMPLE_BYTES = 300


class SampledLog:
    """At most one line per reason in ten seconds, with the start of the message in it."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._skipped: dict[str, int] = {}

    def warning(self, reason: str, payload: bytes, text: str) -> None:
        """Log, or only count, one more message that could not be used."""
        now = time.monotonic()
        if now - self._last.get(reason, -_EVERY_S) < _EVERY_S:
            self._skipped[reason] = self._skipped.get(reason, 0) + 1
            return
        self._last[reason] = now
        _log.warning(
            "feed: message not used",
            reason=reason,
            unlogged=self._skipped.pop(reason, 0),  # more of the same since the last line
            error=text[:_SAMPLE_BYTES],
            sample=payload[:_SAMPLE_BYTES].decode(errors="replace"),
        )

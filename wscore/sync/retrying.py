"""Reading again after an error of libcurl. Pure."""

from collections.abc import Collection
from typing import Protocol


class RetryStrategy(Protocol):
    """What is needed of a `WebSocketRetryStrategy`; delays in seconds."""

    @property
    def retry(self) -> bool: ...
    @property
    def delay(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def codes(self) -> Collection[int]: ...


class ReadRetries:
    """Counts the failed reads in a row.

    Only errors that leave the connection standing come here: the end of the
    stream is the end, however libcurl words it.
    """

    def __init__(self, strategy: RetryStrategy | None) -> None:
        self._strategy = strategy
        self._failures = 0

    def failed(self, code: int) -> float | None:
        """Return the wait before the next read, None to give up."""
        strategy = self._strategy
        if strategy is None or not strategy.retry or code not in strategy.codes:
            return None
        self._failures += 1
        if self._failures > strategy.count:
            return None
        return float(strategy.delay * 2 ** (self._failures - 1))

    def succeeded(self) -> None:
        """Something was read."""
        self._failures = 0

"""What to do when a receive fails although the connection lives. Pure."""

import random
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from wscore.codes import CurlECode


@dataclass
class WebSocketRetryStrategy:
    """Retry a failed receive after `delay`·2^(n-1) ±10 % seconds, `count` times in a row.

    Only failures whose libcurl code is in `codes`, and only while the connection
    stands: its end is final. A message that arrives starts the count again.
    """

    retry: bool = False
    delay: float = 0.3
    count: int = 3
    codes: Set[int] = field(default_factory=lambda: {CurlECode.RECV_ERROR})

    def delay_s(
        self, attempt: int, code: int, *, jitter: Callable[[], float] = random.random
    ) -> float | None:
        """Return the wait before the *attempt*-th retry (from 1), None to give up.

        *jitter* returns numbers in [0, 1).
        """
        if not self.retry or attempt > self.count or code not in self.codes:
            return None
        return float(self.delay * 2 ** (attempt - 1) * (0.9 + 0.2 * jitter()))


class WsRetryOnRecvError(WebSocketRetryStrategy):
    """`WebSocketRetryStrategy` by the names of an earlier documentation."""

    def __init__(
        self,
        retry_on_error: bool = False,
        retry_delay_base: float = 0.3,
        max_retry_count: int = 3,
        retry_error_codes: Set[int] | None = None,
    ) -> None:
        super().__init__(
            retry=retry_on_error,
            delay=retry_delay_base,
            count=max_retry_count,
            codes={CurlECode.RECV_ERROR} if retry_error_codes is None else retry_error_codes,
        )

"""Sizes and times of the sink; the defaults suit one worker."""

from msgspec import Struct

from ingest.spool import SpoolSettings
from wscore import Backoff

MIB = 1024 * 1024


class BackoffSettings(Struct, frozen=True):
    """Delays are random, up to a ceiling that doubles from `base_s` to `cap_s` (seconds)."""

    base_s: float
    cap_s: float

    def backoff(self) -> Backoff:
        """Return a backoff with these delays, that only `reset` starts over."""
        return Backoff(base_s=self.base_s, cap_s=self.cap_s)


class SinkSettings(Struct, frozen=True, kw_only=True):
    """See docs/delivery.md for what happens at each limit.

    `max_pending_*` bound what is held and not yet acknowledged, the batch in
    flight included: at three quarters the sink asks its writers to pause, at the
    limit it drops and counts.
    """

    maxlen: int | None = 1_000_000  # approximate length of each stream; None: never trimmed
    max_pending_entries: int = 200_000
    max_pending_bytes: int = 128 * MIB
    max_entry_bytes: int = 16 * MIB
    # A batch is one transaction: the server answers nobody else while it stores
    # it, about 1.5 µs an entry.
    max_batch_entries: int = 2_000
    max_batch_bytes: int = MIB
    # Acknowledged entries kept for a server that forgets them: twice what a server with
    # `appendfsync everysec` may lose, and most of what an asynchronous replica may.
    resend_s: float = 5.0
    max_resend_bytes: int = 64 * MIB
    # An entry counts as stored once so many replicas have it; each time they are waited
    # for this long before they are asked again.
    wait_replicas: int = 0
    wait_timeout_s: float = 1.0
    max_age_s: float | None = None  # older entries are trimmed; None: only `maxlen` trims
    # Where entries go while the server takes none, or too few; None: they stay in memory.
    # They go there when nothing was acknowledged for `spool_after_s` although something was
    # sent, or the buffer was full for `spool_full_after_s`: a burst, or a venue faster than
    # this process, only has to wait.
    spool: SpoolSettings | None = None
    spool_after_s: float = 1.0
    spool_full_after_s: float = 5.0
    max_spool_age_s: float | None = None  # older ones are dropped when it is their turn
    connect_timeout_s: float = 5.0
    reply_timeout_s: float = 5.0  # without a single byte from the server
    reconnect: BackoffSettings = BackoffSettings(0.1, 2.0)
    wait: BackoffSettings = BackoffSettings(0.05, 2.0)  # LOADING, OOM and the like
    operator: BackoffSettings = BackoffSettings(5.0, 60.0)  # wrong password and the like

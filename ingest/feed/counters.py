"""What one connection has done so far; reported to the supervisor every second."""

from msgspec import Struct, field

_MOST_REASONS = 32


class FeedCounters(Struct, gc=False):
    """Totals since the worker started. Every frame is in exactly one of the middle group."""

    attempts: int = 0  # to connect
    connects: int = 0
    replaced: int = 0  # connections closed by us, with a new one in their place
    disconnects: dict[str, int] = field(default_factory=dict)  # by reason, attempts included

    frames: int = 0
    data: int = 0  # frames that became events, or would have: see `passed_over`
    control: int = 0  # acks, pongs, notices: frames that carry no data by design
    unknown_topic: int = 0  # data that we did not ask for
    decode_errors: dict[str, int] = field(default_factory=dict)  # by reason

    # Of control and data, by reason: what has no event by design. "nothing new": data
    # that says nothing its stream has a place for. "not asked for": of a feed for all
    # instruments at once, those of others.
    passed_over: dict[str, int] = field(default_factory=dict)

    book_gaps: dict[str, int] = field(default_factory=dict)  # by reason
    # Updates that were here already, or that a fetched snapshot knew: they were left out.
    book_repeats: int = 0
    resyncs: int = 0  # snapshots asked for
    trade_gaps: int = 0  # ranges of trades that were missing when the next one came
    trades_missing: int = 0  # trades in them
    trades_backfilled: int = 0  # of those, the ones that came all the same
    trade_repeats: int = 0  # trades that were here already, and were left out
    # Events left out because another leg of the connection had brought them already.
    leg_repeats: int = 0
    backfill_requests: int = 0
    backfill_failures: int = 0  # of the requests, those without a usable answer
    stale: int = 0  # times that a subscription went silent
    stale_resubscribes: int = 0  # times that one was begun anew for it
    events: int = 0  # entries handed to the sink, markers and feed events included
    wire_bytes: int = 0
    last_frame_ns: int | None = None  # Unix ns

    def add(self, other: "FeedCounters") -> None:
        """Add what another connection did."""
        for name in self.__struct_fields__:
            mine, more = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict):
                merge(mine, more)
            elif name == "last_frame_ns":
                self.last_frame_ns = max(mine or 0, more or 0) or None
            else:
                setattr(self, name, mine + more)


def count(table: dict[str, int], reason: str) -> int:
    """Count one under *reason*; return the new total."""
    total = table[reason] = table.get(reason, 0) + 1
    return total


def count_words(table: dict[str, int], reason: str) -> None:
    """As `count`, of reasons that are a venue's words, in part: the 33rd is `other`."""
    count(table, reason if reason in table or len(table) < _MOST_REASONS else "other")


def merge(totals: dict[str, int], more: dict[str, int]) -> None:
    """Add *more* to *totals*, reason by reason."""
    for reason, number in more.items():
        totals[reason] = totals.get(reason, 0) + number

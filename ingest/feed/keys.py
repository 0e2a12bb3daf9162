"""Which streams a connection writes: all that its publisher opens."""

from typing import Any

from ingest.codecs import Encoder
from ingest.config.schema import WhenSlowConfig
from ingest.feed.counters import FeedCounters
from ingest.feed.ports import EntryWriter
from ingest.feed.publisher import FeedPublisher, Route
from ingest.plan import ConnectionPlan
from ingest.venues.base import Venue


class _Listener:
    """A sink that only hears which streams are opened."""

    full = False
    slow = False

    def __init__(self) -> None:
        self.keys: list[str] = []

    def open_stream(self, key: str, **_: Any) -> EntryWriter:
        self.keys.append(key)
        return _Writer()

    async def wait_writable(self, *, caught_up: bool = False) -> None:
        raise AssertionError(f"nothing is written here (caught_up={caught_up})")

    async def newest(self, keys: object, count: int) -> list[list[dict[bytes, bytes]]]:
        raise AssertionError(f"nothing is read here ({keys}, {count})")


class _Writer:
    def __init__(self) -> None:
        self.dropped = 0

    def add(self, rx_ns: int, count: int, encoded: bytes) -> bool:
        raise AssertionError(f"nothing is written here ({rx_ns}, {count}, {encoded!r})")


def stream_keys(
    connection: ConnectionPlan, venue: Venue, encoder: Encoder, key_template: str
) -> list[str]:
    """Return the keys of all streams that *connection* writes."""
    listener = _Listener()
    FeedPublisher(
        connection,
        venue,
        listener,
        encoder,
        key_template,
        FeedCounters(),
        started_ns=0,
        after_crash=False,
        on_book_lost=_nothing,
        on_trades_missing=_nothing,
        can_backfill=False,
        recalling=False,
        when_slow=WhenSlowConfig(),
    )
    return listener.keys


def _nothing(_: Route) -> None:
    pass

"""Market-data events, as every venue's adapter produces them.

An event does not repeat where it belongs: venue, channel and instrument are
those of the `Stream` that carries it.

Prices and sizes are `str`: exactly the characters the venue sent. They never
pass through a float, and not through `Decimal` either (`str(Decimal("0.00000001"))`
is `1E-8`). Times are integer Unix nanoseconds. What a venue does not send is
`None`, never 0. `rx` is our clock when the frame's last byte was read, `ts` the
venue's own clock.

Field names are those of the published streams, in their published order
(docs/streams.md), so an encoder needs no table of its own.
"""

from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]  # of the aggressor
Level = tuple[str, str]  # price, size; size zero deletes the level
Price = str
Size = str


class Stream(Struct, frozen=True, gc=False):
    """Identity of one published stream: `md:{venue}:{channel}:{instrument}`."""

    venue: str
    channel: str
    instrument: str


class Event(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What every entry has: our receive time and, where sent, the venue's time."""

    rx: int
    ts: int | None = None


class Trade(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One trade; with `first_id`/`last_id`, one taker order's fills at one price."""

    price: Price
    size: Size
    side: Side
    id: str | None = None
    first_id: str | None = None
    last_id: str | None = None
    # The venue's number of it among the instrument's trades, where that is not its id.
    seq: int | None = None
    backfill: bool | None = None  # fetched over REST after a gap


class Bbo(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Best bid and offer. A side the venue reports as empty is `None`."""

    bid: Price | None = None
    bid_size: Size | None = None
    ask: Price | None = None
    ask_size: Size | None = None
    seq: int | None = None


class Book(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A whole book (`snapshot`) or changed levels (`delta`), sizes absolute."""

    type: Literal["snapshot", "delta"]
    bids: list[Level]
    asks: list[Level]
    seq: int | None = None
    first_seq: int | None = None
    prev_seq: int | None = None
    checksum: int | None = None


class Candle(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One bar; `start` and `end` are Unix ns, `end` inclusive as venues send it."""

    start: int
    end: int | None = None
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size | None = None
    quote_volume: Size | None = None
    trades: int | None = None
    closed: bool


class Ticker(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Rolling statistics, normally over 24 hours."""

    last: Price
    open: Price | None = None
    high: Price | None = None
    low: Price | None = None
    volume: Size | None = None
    quote_volume: Size | None = None
    bid: Price | None = None
    bid_size: Size | None = None
    ask: Price | None = None
    ask_size: Size | None = None
    trades: int | None = None


class Mark(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Mark price of a derivative, and what the venue sends with it."""

    mark: Price
    index: Price | None = None
    funding_rate: str | None = None  # a fraction per funding period, signed
    next_funding: int | None = None  # Unix ns


class Funding(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Funding rate of a perpetual, a fraction per funding period, signed."""

    rate: str
    next_funding: int | None = None  # Unix ns


class OpenInterest(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Open interest, in the unit in which the venue counts sizes of the instrument."""

    open_interest: Size


class Liquidation(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A forced order; `side` is that of the order: a long is liquidated by a sell."""

    price: Price
    size: Size
    side: Side
    id: str | None = None


class Marker(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A stream's own note that it missed, or may have missed, data."""

    type: Literal["gap", "reset", "resume"]
    reason: str
    from_seq: int | None = None
    to_seq: int | None = None


class FeedEvent(Event, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What happened to one connection; goes to `md:{venue}:feed:{connection}`."""

    type: str  # connected, disconnected, stale, resync, …
    reason: str | None = None
    detail: str | None = None


AnyEvent = (
    Trade
    | Bbo
    | Book
    | Candle
    | Ticker
    | Mark
    | Funding
    | OpenInterest
    | Liquidation
    | Marker
    | FeedEvent
)

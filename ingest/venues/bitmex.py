"""BitMEX, public market data: perpetuals, futures and spot.

Sizes of derivatives are in contracts, as sent. What the venue sends are changes of
its tables: a `partial` holds what there is, then come rows.

Source: https://www.bitmex.com/app/wsAPI
"""

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import (
    AnyEvent,
    Bbo,
    Book,
    Candle,
    Funding,
    Level,
    Liquidation,
    Mark,
    OpenInterest,
    Side,
    Ticker,
    Trade,
)
from ingest.venues.base import (
    Ack,
    BookRule,
    ChannelSpec,
    Data,
    Decode,
    Heartbeat,
    Ignored,
    Inbound,
    Instrument,
    InstrumentList,
    Limits,
    Pong,
    Reject,
    RestLimits,
    RestRequest,
    Topic,
    Venue,
)
from ingest.venues.decoding import (
    SequenceNumber,
    decoder,
    mismatch,
    number,
    rfc3339_ns,
    signed_number,
)

_SIDES: Final[dict[str, Side]] = {"Buy": "buy", "Sell": "sell"}
_SECONDS: Final = {"tradeBin1m": 60, "tradeBin5m": 300, "tradeBin1h": 3600, "tradeBin1d": 86_400}
_MONTH_CODES: Final = "FGHJKMNQUVXZ"
_FRIDAY: Final = 4
# The largest recorded book has 1,100 levels.
_MOST_LEVELS: Final = 200_000


class _Filter(Struct, gc=False):
    symbol: str = ""


class _Request(Struct, gc=False):
    op: str = ""
    args: list[str] | str = ""


class _Frame(Struct, gc=False):
    """Every kind of frame: rows of a table, answer to a request, welcome."""

    table: str = ""
    action: str = ""
    data: Raw | UnsetType = UNSET
    filter: _Filter | None = None
    success: bool = False
    subscribe: str = ""
    unsubscribe: str = ""
    error: str = ""
    status: int | None = None
    request: _Request | None = None
    info: str = ""


class _Symbol(Struct, gc=False):
    symbol: str


class _Trade(Struct, gc=False):
    timestamp: str
    symbol: str
    size: Raw
    price: Raw
    # Without a side: the settlement of a future (`trdType`), or the price of an index.
    side: Literal["Buy", "Sell", ""] = ""
    trdMatchID: Annotated[str, Meta(max_length=64)] | None = None


class _Quote(Struct, gc=False):
    timestamp: str
    symbol: str
    bidSize: Raw = Raw(b"null")
    bidPrice: Raw = Raw(b"null")
    askPrice: Raw = Raw(b"null")
    askSize: Raw = Raw(b"null")


class _Level(Struct, gc=False):
    symbol: str
    id: SequenceNumber
    side: Literal["Buy", "Sell"]
    size: Raw = Raw(b"null")
    price: Raw = Raw(b"null")
    timestamp: str | None = None  # not in the recordings of 2021


class _Bin(Struct, gc=False):
    timestamp: str  # of the end
    symbol: str
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    volume: Raw
    trades: SequenceNumber
    foreignNotional: Raw = Raw(b"null")


class _Liquidation(Struct, gc=False):
    orderID: Annotated[str, Meta(min_length=1, max_length=64)]
    symbol: str
    side: Literal["Buy", "Sell"]
    price: Raw
    leavesQty: Raw


class _Instrument(Struct, gc=False):
    """Of a `partial` everything, of an `update` what has changed."""

    symbol: str
    timestamp: str | None = None
    lastPrice: Raw | UnsetType = UNSET
    prevPrice24h: Raw | UnsetType = UNSET
    highPrice: Raw | UnsetType = UNSET
    lowPrice: Raw | UnsetType = UNSET
    volume24h: Raw | UnsetType = UNSET
    foreignNotional24h: Raw | UnsetType = UNSET
    bidPrice: Raw | UnsetType = UNSET
    askPrice: Raw | UnsetType = UNSET
    markPrice: Raw | UnsetType = UNSET
    indicativeSettlePrice: Raw | UnsetType = UNSET
    fundingRate: Raw | UnsetType = UNSET
    fundingTimestamp: str | UnsetType | None = UNSET
    openInterest: Raw | UnsetType = UNSET


_decode_frame = decoder(_Frame, "bitmex frame")
_decode_symbols = decoder(list[_Symbol], "bitmex frame")
_decode_rows = decoder(list[Raw], "bitmex frame")
_decode_trades = decoder(list[_Trade], "bitmex trade")
_decode_quotes = decoder(list[_Quote], "bitmex quote")
_decode_levels = decoder(list[_Level], "bitmex orderBookL2")
_decode_bins = decoder(list[_Bin], "bitmex tradeBin")
_decode_liquidations = decoder(list[_Liquidation], "bitmex liquidation")
_decode_instruments = decoder(list[_Instrument], "bitmex instrument")


def _parse(message: bytes) -> Inbound | list[Inbound]:
    if message == b"pong":
        return Pong()
    frame = _decode_frame(message)
    if frame.table and frame.data is not UNSET:
        return _rows(frame.table, frame.action, frame.data, frame.filter)
    if frame.success:
        return Ack(topics=(frame.subscribe,)) if frame.subscribe else Ignored("unsubscribed")
    if frame.error:
        if frame.request is not None and frame.request.op == "unsubscribe":
            # What it says of the topic, the request to subscribe will tell.
            return Ignored("not unsubscribed")
        args = frame.request.args if frame.request is not None else ()
        names = (args,) if isinstance(args, str) else tuple(args)
        # It does not say which of several topics it means.
        topics = names if len(names) == 1 and names[0] else ()
        return Reject(frame.error, "" if frame.status is None else str(frame.status), None, topics)
    if frame.info:
        return Ignored("welcome")
    raise DecodeError("unknown_frame", "bitmex frame: neither rows, answer nor welcome")


def _rows(table: str, action: str, data: Raw, asked: _Filter | None) -> Inbound | list[Inbound]:
    symbols = [row.symbol for row in _decode_symbols(data)]
    if not symbols:
        if asked is None or not asked.symbol:
            return Ignored("empty")
        symbols = [asked.symbol]  # a `partial` of an empty table
    if symbols.count(symbols[0]) == len(symbols):
        return Data(f"{table}:{symbols[0]}", data, action)
    by_symbol: dict[str, list[bytes]] = {}
    for symbol, row in zip(symbols, _decode_rows(data), strict=True):
        by_symbol.setdefault(symbol, []).append(bytes(row))
    return [
        Data(f"{table}:{symbol}", b"[" + b",".join(rows) + b"]", action)
        for symbol, rows in by_symbol.items()
    ]


def _check_symbol(what: str, topic: str, symbol: str) -> None:
    if topic.partition(":")[2] != symbol:
        raise mismatch(what, topic, symbol)


def _number_or_none(what: str, raw: Raw) -> str | None:
    return None if bytes(raw) == b"null" else number(what, raw)


def _trades(data: Data, rx: int) -> Sequence[Trade]:
    what, events = "bitmex trade", []
    for wire in _decode_trades(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        if not wire.side:
            continue  # nobody traded
        if not wire.trdMatchID:
            raise DecodeError("missing_field", f"{what}: no `trdMatchID`")
        events.append(
            Trade(
                rx=rx,
                ts=rfc3339_ns(what, wire.timestamp),
                price=number(what, wire.price),
                size=number(what, wire.size),
                side=_SIDES[wire.side],
                id=wire.trdMatchID,
            )
        )
    # A `partial` is the last trade before we asked: it would come twice.
    return events if data.action == "insert" else ()


def _quotes(data: Data, rx: int) -> Sequence[Bbo]:
    what, events = "bitmex quote", []
    for wire in _decode_quotes(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        events.append(
            Bbo(
                rx=rx,
                ts=rfc3339_ns(what, wire.timestamp),
                bid=_number_or_none(what, wire.bidPrice),
                bid_size=_number_or_none(what, wire.bidSize),
                ask=_number_or_none(what, wire.askPrice),
                ask_size=_number_or_none(what, wire.askSize),
            )
        )
    return events


class _Levels:
    """The levels of one book by their ids: changes do not repeat the price."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str]] | None = None  # id: price, side

    def decode(self, data: Data, rx: int) -> Sequence[Book]:
        what = "bitmex orderBookL2"
        rows = _decode_levels(data.payload)
        if data.action == "partial":
            self._known = {}
        elif data.action not in ("insert", "update", "delete"):
            raise DecodeError("bad_value", f"{what}: unknown action {data.action[:40]!r}")
        if self._known is None:
            return ()  # "messages before the partial are to be ignored"
        if len(self._known) + len(rows) > _MOST_LEVELS:
            self._known = None
            raise DecodeError("bad_value", f"{what}: more than {_MOST_LEVELS} levels")
        sides: dict[str, list[Level]] = {"Buy": [], "Sell": []}
        times = []
        try:
            for row in rows:
                _check_symbol(what, data.topic, row.symbol)
                if row.timestamp is not None:
                    times.append(rfc3339_ns(what, row.timestamp))
                self._apply(what, data.action, row, sides)
        except DecodeError:
            # Half of it is applied, and nothing of it will be published.
            self._known = None
            raise
        return (
            Book(
                rx=rx,
                ts=max(times, default=None),
                type="snapshot" if data.action == "partial" else "delta",
                bids=sides["Buy"],
                # Whole books come by falling price.
                asks=sides["Sell"][::-1] if data.action == "partial" else sides["Sell"],
            ),
        )

    def _apply(self, what: str, action: str, row: _Level, sides: dict[str, list[Level]]) -> None:
        assert self._known is not None
        old = self._known.pop(row.id, None)
        price = _number_or_none(what, row.price) or (old[0] if old else None)
        if price is None:
            raise DecodeError("bad_value", f"{what}: {action} of the unknown level {row.id}")
        if action == "delete":
            # Its id says which level goes; the side that is named is not always that level's.
            sides[old[1] if old else row.side].append((price, "0"))
            return
        if old is not None and old != (price, row.side):
            sides[old[1]].append((old[0], "0"))  # the level has moved
        sides[row.side].append((price, number(what, row.size)))
        self._known[row.id] = (price, row.side)


def _candles(data: Data, rx: int) -> Sequence[Candle]:
    what, events = "bitmex tradeBin", []
    seconds = _SECONDS.get(data.topic.partition(":")[0])
    if seconds is None:
        raise DecodeError("bad_value", f"{what}: unknown table {data.topic[:80]!r}")
    for wire in _decode_bins(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        if bytes(wire.close) == b"null" or bytes(wire.open) == b"null":
            continue  # never traded yet
        end = rfc3339_ns(what, wire.timestamp)
        events.append(
            Candle(
                rx=rx,
                start=end - seconds * 1_000_000_000,
                end=end,
                open=number(what, wire.open),
                high=number(what, wire.high),
                low=number(what, wire.low),
                close=number(what, wire.close),
                volume=number(what, wire.volume),
                quote_volume=_number_or_none(what, wire.foreignNotional),
                trades=wire.trades,
                closed=True,  # bars are sent once they are over
            )
        )
    return events


def _liquidations(data: Data, rx: int) -> Sequence[Liquidation]:
    what, events = "bitmex liquidation", []
    if data.action != "insert":  # what is left of an order, and its end
        _decode_symbols(data.payload)
        return ()
    for wire in _decode_liquidations(data.payload):
        _check_symbol(what, data.topic, wire.symbol)
        events.append(
            Liquidation(
                rx=rx,
                price=number(what, wire.price),
                size=number(what, wire.leavesQty),
                side=_SIDES[wire.side],
                id=wire.orderID,
            )
        )
    return events


class _State:
    """What one instrument's row holds by now: an update tells only what changed."""

    def __init__(self, *fields: str) -> None:
        self._fields = fields  # those whose change makes an event
        self._row: dict[str, str | int | None] = {}

    def changed(self, data: Data) -> list[tuple[int | None, dict[str, str | int | None]]]:
        """Take a frame in; return time and row of each change of the fields."""
        what, found = "bitmex instrument", []
        if data.action == "partial":
            self._row = {}
        for wire in _decode_instruments(data.payload):
            _check_symbol(what, data.topic, wire.symbol)
            ts = None if wire.timestamp is None else rfc3339_ns(what, wire.timestamp)
            touched = False
            for field in self._fields:
                raw = getattr(wire, field)
                if raw is UNSET:
                    continue
                touched = True
                if isinstance(raw, Raw):
                    null = bytes(raw) == b"null"
                    read = signed_number if field == "fundingRate" else number
                    self._row[field] = None if null else read(what, raw)
                else:
                    self._row[field] = None if raw is None else rfc3339_ns(what, raw)
            if touched:
                found.append((ts, dict(self._row)))
        return found


_TICKER: Final = {
    "last": "lastPrice",
    "open": "prevPrice24h",
    "high": "highPrice",
    "low": "lowPrice",
    "volume": "volume24h",
    "quote_volume": "foreignNotional24h",
    "bid": "bidPrice",
    "ask": "askPrice",
}
_MARK: Final = {
    "mark": "markPrice",
    "index": "indicativeSettlePrice",
    "funding_rate": "fundingRate",
    "next_funding": "fundingTimestamp",
}
_FUNDING: Final = {"rate": "fundingRate", "next_funding": "fundingTimestamp"}
_OPEN_INTEREST: Final = {"open_interest": "openInterest"}


def _of_instrument(event: Callable[..., AnyEvent], fields: dict[str, str]) -> Callable[[], Decode]:
    """Build decoders of `instrument` that make *event* of these fields, the first required."""
    required = next(iter(fields.values()))

    def new_decoder() -> Decode:
        state = _State(*fields.values())

        def decode(data: Data, rx: int) -> Sequence[AnyEvent]:
            return [
                event(rx=rx, ts=ts, **{ours: row.get(theirs) for ours, theirs in fields.items()})
                for ts, row in state.changed(data)
                if row.get(required) is not None
            ]

        return decode

    return new_decoder


# -- names ------------------------------------------------------------------------

_INSTRUMENT = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(PERP|[0-9]{6}))?").fullmatch


def _last_friday(year: int, month: int) -> date:
    last = date(year, month, monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - _FRIDAY) % 7)


def _theirs(asset: str) -> str:
    return "XBT" if asset == "BTC" else asset


def _ours(asset: str) -> str:
    return "BTC" if asset == "XBT" else asset.upper()


def _to_symbol(instrument: str) -> str:
    found = _INSTRUMENT(instrument)
    if found is None or found[2] == "PERP":
        raise ValueError(
            f"{instrument!r} cannot be a bitmex instrument; write BASE-QUOTE, BASE-QUOTE-PERP or "
            "BASE-QUOTE-YYMMDD in capital letters and digits, for example BTC-USD-PERP (XBTUSD)"
        )
    base, quote, what = _theirs(found[1]), _theirs(found[2]), found[3]
    if what is None:
        return f"{base}_{quote}"
    if what == "PERP":
        return f"{base}{quote}"
    year, month = int(what[:2]), int(what[2:4])
    if not 1 <= month <= 12 or _last_friday(2000 + year, month).strftime("%y%m%d") != what:
        raise ValueError(
            f"{instrument!r} cannot be a bitmex instrument; "
            "its futures expire on the last Friday of a month, for example BTC-USD-210625 (XBTM21)"
        )
    # XBTM21 is in USD, ADAM21 in XBT; the others name what they are quoted in.
    plain = (base == "XBT" and quote == "USD") or quote == "XBT"
    return f"{base}{'' if plain else quote}{_MONTH_CODES[month - 1]}{year:02}"


class _Listed(Struct, gc=False):
    symbol: str
    typ: str
    state: str
    underlying: str
    quoteCurrency: str
    expiry: str | None = None
    tickSize: Raw = Raw(b"null")
    lotSize: Raw = Raw(b"null")
    foreignNotional24h: Raw = Raw(b"null")


_decode_listed = decoder(list[_Listed], "bitmex instrument/active")
# By the classification of financial instruments (CFI) that they use as `typ`.
_KINDS: Final[dict[str, Literal["spot", "perpetual", "future"]]] = {
    "IFXXXP": "spot",
    "FFWCSX": "perpetual",
    "FFWCSF": "perpetual",
    "FFCCSX": "future",
}


def _instruments(bodies: Sequence[bytes]) -> list[Instrument]:
    what, found = "bitmex instrument/active", []
    for wire in _decode_listed(bodies[0]):
        kind = _KINDS.get(wire.typ)
        base, quote = _ours(wire.underlying), _ours(wire.quoteCurrency)
        name = f"{base}-{quote}"
        if kind == "perpetual":
            name += "-PERP"
        elif kind == "future" and wire.expiry is not None:
            year, month, day = wire.expiry[2:4], wire.expiry[5:7], wire.expiry[8:10]
            name += f"-{year}{month}{day}"
        elif kind != "spot":
            continue
        try:
            if _to_symbol(name) != wire.symbol:
                continue  # such as ETHUSD_ETH, a second one with the same terms
        except ValueError:
            continue
        found.append(
            Instrument(
                name=name,
                symbol=wire.symbol,
                kind=kind,
                base=base,
                quote=quote,
                tick_size=_number_or_none(what, wire.tickSize),
                lot_size=_number_or_none(what, wire.lotSize),
                trading=wire.state == "Open",
                volume=_number_or_none(what, wire.foreignNotional24h),
            )
        )
    return found


def _request(op: str, topics: Sequence[Topic], request_id: int) -> bytes:  # noqa: ARG001  # has no ids
    return msgspec.json.encode(
        {"op": op, "args": list(dict.fromkeys(topic.name for topic in topics))}
    )


VENUE = Venue(
    name="bitmex",
    ws_url="wss://ws.bitmex.com/realtime",
    rest_url="https://www.bitmex.com",
    docs_url="https://www.bitmex.com/app/wsAPI",
    limits=Limits(
        # "Not rate-limited once connected"; neither topics nor bytes have a
        # published limit: this is caution.
        topics_per_connection=200,
        topics_per_request=50,
        request_bytes=4096,
        # Not published; a ping after 5 s of silence is among them.
        requests_per_s=1.0,
        # "A burst rate of 20 connections per hour" (blog, 2017-10-03), later 40, as the
        # welcome of 2021 confirms, and then 60 (blog, "Updates to Rate Limits").
        connects=(40, 3600.0),
    ),
    channels={
        # Each table begins with a `partial` of what there is, even if that is nothing.
        "trade": ChannelSpec(topic="trade:{symbol}", decode=_trades, at_once=True),
        "bbo": ChannelSpec(topic="quote:{symbol}", decode=_quotes, at_once=True),
        "book": ChannelSpec(topic="orderBookL2:{symbol}", new_decoder=lambda: _Levels().decode),
        "ticker": ChannelSpec(
            topic="instrument:{symbol}", new_decoder=_of_instrument(Ticker, _TICKER)
        ),
        "candle": ChannelSpec(topic="tradeBin{interval}:{symbol}", decode=_candles),
        "mark": ChannelSpec(topic="instrument:{symbol}", new_decoder=_of_instrument(Mark, _MARK)),
        "funding": ChannelSpec(
            topic="instrument:{symbol}", new_decoder=_of_instrument(Funding, _FUNDING)
        ),
        "open_interest": ChannelSpec(
            topic="instrument:{symbol}",
            new_decoder=_of_instrument(OpenInterest, _OPEN_INTEREST),
        ),
        "liquidation": ChannelSpec(topic="liquidation:{symbol}", decode=_liquidations),
    },
    intervals={"1m": "1m", "5m": "5m", "1h": "1h", "1d": "1d"},
    to_symbol=_to_symbol,
    parse=_parse,
    subscribe=partial(_request, "subscribe"),
    unsubscribe=partial(_request, "unsubscribe"),
    # "If no message is received within 5 seconds, send the raw string 'ping'", and
    # expect 'pong' within 5 more.
    heartbeat=Heartbeat(payload=b"ping", after_idle_s=5.0, timeout_s=5.0),
    # 30 a minute without a key (as nautilus_trader's documentation quotes it).
    rest_limits=RestLimits(weight=(30, 60.0)),
    instruments=InstrumentList(
        requests=(RestRequest(path="/api/v1/instrument/active"),), parse=_instruments
    ),
    # Nothing shows a lost update; whole books come once, at the beginning.
    books={"book": BookRule(continuity="none")},
)

"""What the markets of HTX (once Huobi) have in common on the wire.

Every frame is one gzip member that holds JSON; prices and sizes are JSON numbers.

Source: https://www.htx.com/en-us/opend/newApiPages/ (spot; USDT-margined and
coin-margined contracts), and the recordings.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ingest.errors import DecodeError
from ingest.model import Bbo, Book, Candle, Funding, Level, Liquidation, Mark, Side, Ticker, Trade
from ingest.venues.base import (
    Ack,
    Answer,
    BookRule,
    Data,
    Ignored,
    Inbound,
    Instrument,
    InstrumentList,
    Reconnect,
    Reject,
    RestBook,
    RestRequest,
    Topic,
)
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    decoder,
    gunzip,
    mismatch,
    number,
    number_levels_decoder,
    signed_number,
)

# The largest recorded frame has 10 kB: two sides of 150 levels.
MOST_FRAME_BYTES: Final = 1024 * 1024

INTERVALS: Final = {
    "1m": "1min",
    "5m": "5min",
    "15m": "15min",
    "30m": "30min",
    "1h": "60min",
    "4h": "4hour",
    "1d": "1day",
    "1w": "1week",
}
_SECONDS: Final = {
    "1min": 60,
    "5min": 300,
    "15min": 900,
    "30min": 1800,
    "60min": 3600,
    "4hour": 14_400,
    "1day": 86_400,
    "1week": 604_800,
}
_BOOK_TYPES: Final[dict[str, Literal["snapshot", "delta"]]] = {
    "": "snapshot",  # the channels that send whole books say nothing
    "snapshot": "snapshot",
    "update": "delta",
}


class _Frame(Struct, gc=False, rename={"err_code": "err-code", "err_msg": "err-msg"}):
    """Every kind of frame: data, answer to a request, ping; of both dialects.

    Market data speaks of `ch` and `sub`, the notifications of `topic` and `op`.
    """

    ch: str = ""
    tick: Raw | UnsetType = UNSET
    ping: SequenceNumber | None = None
    status: str = ""
    subbed: str = ""
    unsubbed: str = ""
    rep: str = ""
    id: int | str | None = None
    op: str = ""
    topic: str = ""
    data: Raw | UnsetType = UNSET
    cid: int | str | None = None
    ts: Raw | UnsetType = UNSET
    err_code: int | str | None = None
    err_msg: str | None = None


_decode_frame = decoder(_Frame, "htx frame")


def parse(message: bytes) -> Inbound:
    """Parse a frame of any of the markets; see `Venue.parse`."""
    body = gunzip("htx frame", message, MOST_FRAME_BYTES)
    frame = _decode_frame(body)
    if frame.ch and frame.tick is not UNSET:
        return Data(frame.ch, body)
    if frame.ping is not None:
        return Answer(b'{"pong":%d}' % frame.ping)
    if frame.op:
        return _notification(frame, body)
    if frame.status == "error" or frame.err_msg:
        return Reject(frame.err_msg or "", _text(frame.err_code), _request_id(frame.id))
    if frame.subbed:
        return Ack(topics=(frame.subbed,))
    if frame.unsubbed or frame.rep:
        return Ignored("unsubbed" if frame.unsubbed else "rep")
    raise DecodeError("unknown_frame", "htx frame: neither data, answer nor ping")


def _notification(frame: _Frame, body: bytes) -> Inbound:
    if frame.op == "notify" and frame.topic and frame.data is not UNSET:
        return Data(frame.topic, body)
    if frame.op == "ping" and frame.ts is not UNSET:
        number("htx ping", frame.ts)
        return Answer(b'{"op":"pong","ts":%b}' % bytes(frame.ts))
    topics = (frame.topic,) if frame.topic else ()
    if frame.op in ("sub", "error"):
        if frame.op == "sub" and topics and _text(frame.err_code) in ("", "0"):
            return Ack(topics=topics)
        return Reject(frame.err_msg or "", _text(frame.err_code), _request_id(frame.cid), topics)
    if frame.op == "close":
        return Reconnect("close", lost=True)
    if frame.op == "unsub":
        return Ignored("unsubbed")
    raise DecodeError("unknown_frame", f"htx frame: unknown op {frame.op[:40]!r}")


def _text(code: int | str | None) -> str:
    return "" if code is None else str(code)


def _request_id(sent: int | str | None) -> int | None:
    text = _text(sent)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _request(op: str, topics: Sequence[Topic], request_id: int) -> bytes:
    """Build the request for the one name of *topics*: there is no request for several."""
    name = topics[0].name
    if name.startswith("public."):
        return msgspec.json.encode({"op": op, "cid": str(request_id), "topic": name})
    request = {op: name, "id": str(request_id)}
    if name.endswith(".high_freq"):
        request["data_type"] = "incremental"
    return msgspec.json.encode(request)


subscribe: Final = partial(_request, "sub")
unsubscribe: Final = partial(_request, "unsub")


# -- market data ----------------------------------------------------------------


class _SpotTrade(Struct, gc=False):
    id: Raw  # of the match: more digits than an integer of 64 bits has
    ts: Milliseconds
    amount: Raw
    price: Raw
    direction: Side
    tradeId: SequenceNumber | None = None  # trades of before 2019-11 have none

    @property
    def trade_id(self) -> str:
        return number("htx trade.detail", self.id) if self.tradeId is None else str(self.tradeId)


class _ContractTrade(Struct, gc=False):
    id: SequenceNumber
    ts: Milliseconds
    amount: Raw
    price: Raw
    direction: Side

    @property
    def trade_id(self) -> str:
        return str(self.id)


class _SpotTrades(Struct, gc=False):
    data: list[_SpotTrade]


class _ContractTrades(Struct, gc=False):
    data: list[_ContractTrade]


class _Depth(Struct, gc=False):
    ts: Milliseconds
    version: SequenceNumber
    bids: Raw = Raw(b"null")
    asks: Raw = Raw(b"null")
    event: str = ""


class _Changes(Struct, gc=False):
    seqNum: SequenceNumber
    prevSeqNum: SequenceNumber
    bids: Raw = Raw(b"null")
    asks: Raw = Raw(b"null")


class _SpotBbo(Struct, gc=False):
    quoteTime: Milliseconds
    seqId: SequenceNumber | None = None
    bid: Raw = Raw(b"null")
    bidSize: Raw = Raw(b"null")
    ask: Raw = Raw(b"null")
    askSize: Raw = Raw(b"null")


class _ContractBbo(Struct, gc=False):
    ts: Milliseconds
    version: SequenceNumber | None = None
    bid: tuple[Raw, Raw] | None = None
    ask: tuple[Raw, Raw] | None = None


class _Bar(Struct, gc=False):
    id: SequenceNumber  # Unix seconds at which the bar begins
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    amount: Raw  # spot: base; contracts: base, too
    vol: Raw  # spot: quote; contracts: contracts
    count: Raw
    trade_turnover: Raw = Raw(b"null")  # contracts: quote; the coin-margined have none


class _SpotTicker(Struct, gc=False):
    open: Raw
    high: Raw
    low: Raw
    lastPrice: Raw
    amount: Raw
    vol: Raw
    count: SequenceNumber
    bid: Raw = Raw(b"null")
    bidSize: Raw = Raw(b"null")
    ask: Raw = Raw(b"null")
    askSize: Raw = Raw(b"null")


class _ContractTicker(Struct, gc=False):
    open: Raw
    high: Raw
    low: Raw
    close: Raw
    vol: Raw
    count: Raw
    trade_turnover: Raw = Raw(b"null")
    bid: tuple[Raw, Raw] | None = None
    ask: tuple[Raw, Raw] | None = None


class _MarkBar(Struct, gc=False):
    close: Raw


class _Funding(Struct, gc=False):
    contract_code: str
    funding_rate: Raw = Raw(b"null")
    settlement_time: Milliseconds | None = None


class _Liquidation(Struct, gc=False):
    contract_code: str
    direction: Side
    price: Raw
    volume: Raw
    created_at: Milliseconds


def _tick_decoder(tick: Any, what: str) -> Callable[[bytes | Raw], Any]:
    """Build the decoder of a data frame with this tick."""
    fields = [("ts", Milliseconds), ("tick", tick)]
    return decoder(msgspec.defstruct("Tick", fields, gc=False), what)


def _notify_decoder(item: Any, what: str) -> Callable[[bytes | Raw], Any]:
    fields = [("ts", Milliseconds), ("data", list[item])]
    return decoder(msgspec.defstruct("Notification", fields, gc=False), what, strict=False)


_decode_spot_trades = _tick_decoder(_SpotTrades, "htx trade.detail")
_decode_contract_trades = _tick_decoder(_ContractTrades, "htx trade.detail")
_decode_depth = _tick_decoder(_Depth, "htx depth")
_decode_levels = number_levels_decoder("htx depth", columns=2)
_decode_changes = _tick_decoder(_Changes, "htx mbp")
_decode_spot_bbo = _tick_decoder(_SpotBbo, "htx bbo")
_decode_contract_bbo = _tick_decoder(_ContractBbo, "htx bbo")
_decode_bar = _tick_decoder(_Bar, "htx kline")
_decode_spot_ticker = _tick_decoder(_SpotTicker, "htx ticker")
_decode_contract_ticker = _tick_decoder(_ContractTicker, "htx detail")
_decode_mark = _tick_decoder(_MarkBar, "htx mark_price")
_decode_funding = _notify_decoder(_Funding, "htx funding_rate")
_decode_liquidations = _notify_decoder(_Liquidation, "htx liquidation_orders")


def _number_or_none(what: str, raw: Raw) -> str | None:
    return None if bytes(raw) == b"null" else number(what, raw)


def _trades(decode: Callable[[bytes | Raw], Any]) -> Callable[..., Sequence[Trade]]:
    def trades(data: Data, rx: int) -> Sequence[Trade]:
        return [
            Trade(
                rx=rx,
                ts=wire.ts * NS_PER_MS,
                price=number("htx trade.detail", wire.price),
                size=number("htx trade.detail", wire.amount),
                side=wire.direction,
                id=wire.trade_id,
            )
            for wire in decode(data.payload).tick.data
        ]

    return trades


spot_trades = _trades(_decode_spot_trades)
contract_trades = _trades(_decode_contract_trades)


def book(data: Data, rx: int) -> Sequence[Book]:
    """Decode a whole book (`depth.step0`), or one of `high_freq`: whole first, then changes."""
    wire = _decode_depth(data.payload).tick
    kind = _BOOK_TYPES.get(wire.event)
    if kind is None:
        raise DecodeError("bad_value", f"htx depth: unknown event {wire.event[:40]!r}")
    return (
        Book(
            rx=rx,
            ts=wire.ts * NS_PER_MS,
            type=kind,
            bids=_side(wire.bids),
            asks=_side(wire.asks),
            seq=wire.version,
        ),
    )


def changes(data: Data, rx: int) -> Sequence[Book]:
    """Decode `mbp.150` of the spot market: what changed of 150 levels a side in 100 ms."""
    frame = _decode_changes(data.payload)
    wire = frame.tick
    return (
        Book(
            rx=rx,
            ts=frame.ts * NS_PER_MS,
            type="delta",
            bids=_side(wire.bids),
            asks=_side(wire.asks),
            seq=wire.seqNum,
            prev_seq=wire.prevSeqNum,
        ),
    )


def _whole(body: bytes, rx: int) -> Book:
    """Decode `/market/depth` of the spot market, whose `version` is a `seqNum`."""
    wire = _decode_depth(body).tick
    return Book(
        rx=rx,
        ts=wire.ts * NS_PER_MS,
        type="snapshot",
        bids=_side(wire.bids),
        asks=_side(wire.asks),
        seq=wire.version,
    )


def _joins(version: int, delta: Book) -> bool:
    # Sizes are absolute: that some of its changes are in the snapshot does no harm.
    return delta.prev_seq is not None and delta.prev_seq <= version


def _side(raw: Raw) -> list[Level]:
    return [] if bytes(raw) == b"null" else _decode_levels(raw)


def spot_bbo(data: Data, rx: int) -> Sequence[Bbo]:
    """Decode `bbo` of the spot market."""
    what, wire = "htx bbo", _decode_spot_bbo(data.payload).tick
    return (
        Bbo(
            rx=rx,
            ts=wire.quoteTime * NS_PER_MS,
            bid=_number_or_none(what, wire.bid),
            bid_size=_number_or_none(what, wire.bidSize),
            ask=_number_or_none(what, wire.ask),
            ask_size=_number_or_none(what, wire.askSize),
            seq=wire.seqId,
        ),
    )


def _level(what: str, level: tuple[Raw, Raw] | None) -> tuple[str | None, str | None]:
    if level is None:
        return None, None
    return _number_or_none(what, level[0]), _number_or_none(what, level[1])


def contract_bbo(data: Data, rx: int) -> Sequence[Bbo]:
    """Decode `bbo` of the contract markets."""
    wire = _decode_contract_bbo(data.payload).tick
    bid, bid_size = _level("htx bbo", wire.bid)
    ask, ask_size = _level("htx bbo", wire.ask)
    return (
        Bbo(
            rx=rx,
            ts=wire.ts * NS_PER_MS,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            seq=wire.version,
        ),
    )


def _candles(volume: str, quote_volume: str) -> Callable[..., Sequence[Candle]]:
    """Build the candle decoder of a market that calls its volumes so."""

    def candle(data: Data, rx: int) -> Sequence[Candle]:
        frame, what = _decode_bar(data.payload), "htx kline"
        bar, period = frame.tick, data.topic.rpartition(".")[2]
        if period not in _SECONDS or bar.id > 2**33:
            raise DecodeError("bad_value", f"{what}: unknown period or time, {data.topic[:80]!r}")
        count = number(what, bar.count)
        return (
            Candle(
                rx=rx,
                ts=frame.ts * NS_PER_MS,
                start=bar.id * 1_000_000_000,
                open=number(what, bar.open),
                high=number(what, bar.high),
                low=number(what, bar.low),
                close=number(what, bar.close),
                volume=number(what, getattr(bar, volume)),
                quote_volume=_number_or_none(what, getattr(bar, quote_volume)),
                trades=int(count) if count.isdigit() and len(count) < 19 else None,
                # Not said. A bar is sent once more right after its end (notice of
                # 2020-11-10): that frame is later than the bar.
                closed=frame.ts >= (bar.id + _SECONDS[period]) * 1000,
            ),
        )

    return candle


spot_candle = _candles("amount", "vol")
contract_candle = _candles("vol", "trade_turnover")


def spot_ticker(data: Data, rx: int) -> Sequence[Ticker]:
    """Decode `ticker` of the spot market."""
    frame, what = _decode_spot_ticker(data.payload), "htx ticker"
    wire = frame.tick
    return (
        Ticker(
            rx=rx,
            ts=frame.ts * NS_PER_MS,
            last=number(what, wire.lastPrice),
            open=number(what, wire.open),
            high=number(what, wire.high),
            low=number(what, wire.low),
            volume=number(what, wire.amount),
            quote_volume=number(what, wire.vol),
            bid=_number_or_none(what, wire.bid),
            bid_size=_number_or_none(what, wire.bidSize),
            ask=_number_or_none(what, wire.ask),
            ask_size=_number_or_none(what, wire.askSize),
            trades=wire.count,
        ),
    )


def contract_ticker(data: Data, rx: int) -> Sequence[Ticker]:
    """Decode `detail` of the contract markets."""
    frame, what = _decode_contract_ticker(data.payload), "htx detail"
    wire = frame.tick
    bid, bid_size = _level(what, wire.bid)
    ask, ask_size = _level(what, wire.ask)
    count = number(what, wire.count)
    return (
        Ticker(
            rx=rx,
            ts=frame.ts * NS_PER_MS,
            last=number(what, wire.close),
            open=number(what, wire.open),
            high=number(what, wire.high),
            low=number(what, wire.low),
            volume=number(what, wire.vol),
            quote_volume=_number_or_none(what, wire.trade_turnover),
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            trades=int(count) if count.isdigit() and len(count) < 19 else None,
        ),
    )


def mark(data: Data, rx: int) -> Sequence[Mark]:
    """Decode the bars of the mark price: the last close is the price now."""
    frame = _decode_mark(data.payload)
    return (Mark(rx=rx, ts=frame.ts * NS_PER_MS, mark=number("htx mark_price", frame.tick.close)),)


def _check_contract(what: str, topic: str, contract: str) -> None:
    if topic.split(".")[1:2] != [contract]:
        raise mismatch(what, topic, contract)


def funding(data: Data, rx: int) -> Sequence[Funding]:
    """Decode `funding_rate` notifications: the rate of the settlement to come."""
    frame, what = _decode_funding(data.payload), "htx funding_rate"
    events = []
    for wire in frame.data:
        _check_contract(what, data.topic, wire.contract_code)
        if bytes(wire.funding_rate) == b"null":
            continue  # of a contract that is being delivered
        settled = wire.settlement_time
        events.append(
            Funding(
                rx=rx,
                ts=frame.ts * NS_PER_MS,
                rate=signed_number(what, wire.funding_rate),
                next_funding=None if settled is None else settled * NS_PER_MS,
            )
        )
    return events


def liquidations(data: Data, rx: int) -> Sequence[Liquidation]:
    """Decode `liquidation_orders` notifications."""
    what = "htx liquidation_orders"
    events = []
    for wire in _decode_liquidations(data.payload).data:
        _check_contract(what, data.topic, wire.contract_code)
        events.append(
            Liquidation(
                rx=rx,
                ts=wire.created_at * NS_PER_MS,
                price=number(what, wire.price),
                size=number(what, wire.volume),
                side=wire.direction,
            )
        )
    return events


# Whole books need no joining. `version` of incremental ones rises by one.
WHOLE_BOOKS: Final = BookRule(continuity="none")
INCREMENTAL_BOOKS: Final = BookRule(continuity="plus_one", depth=150)
# Of the spot market; a level that leaves the 150 is deleted.
CHANGED_BOOKS: Final = BookRule(
    continuity="prev_seq",
    rest=RestBook(
        request=lambda symbol: RestRequest(path=f"/market/depth?symbol={symbol}&type=step0"),
        decode=_whole,
    ),
    joins=_joins,
)


# -- instruments of the contract markets -----------------------------------------


class _Contract(Struct, gc=False):
    contract_code: str
    contract_size: Raw
    price_tick: Raw
    contract_status: int
    contract_type: str = "swap"


class _Contracts(Struct, gc=False):
    data: list[_Contract]


class _Merged(Struct, gc=False):
    contract_code: str = ""
    trade_turnover: Raw = Raw(b"null")


class _MergedTickers(Struct, gc=False):
    ticks: list[_Merged]


_decode_contracts = decoder(_Contracts, "htx contract_info")
_decode_merged = decoder(_MergedTickers, "htx batch_merged")
_TRADING = 1  # contract_status: listed


def contract_list(listing: RestRequest, tickers: RestRequest) -> InstrumentList:
    """Where a contract market lists its instruments, and their volume of 24 h."""

    def read(bodies: Sequence[bytes]) -> list[Instrument]:
        listed = _decode_contracts(bodies[0]).data
        volumes: dict[str, str | None] = {}
        if len(bodies) > 1:
            what = "htx batch_merged"
            for tick in _decode_merged(bodies[1]).ticks:
                volumes[tick.contract_code] = _number_or_none(what, tick.trade_turnover)
        found = []
        for wire in listed:
            base, _, rest = wire.contract_code.partition("-")
            quote, _, date = rest.partition("-")
            if not (base and quote and (not date or (date.isdigit() and len(date) == 6))):
                continue
            found.append(
                Instrument(
                    name=f"{base}-{quote}-{date or 'PERP'}",
                    symbol=wire.contract_code,
                    kind="future" if date else "perpetual",
                    base=base,
                    quote=quote,
                    tick_size=number("htx contract_info", wire.price_tick),
                    lot_size="1",
                    contract_size=number("htx contract_info", wire.contract_size),
                    trading=wire.contract_status == _TRADING,
                    volume=volumes.get(wire.contract_code),
                )
            )
        return found

    return InstrumentList(requests=(listing, tickers), parse=read)

"""What all Binance markets offer over REST: books, listings, past trades.

Sources: https://github.com/binance/binance-spot-api-docs (rest-api.md),
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
and .../coin-margined-futures/market-data/rest-api
"""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Raw, Struct

from ingest.model import Book, Trade
from ingest.venues.base import (
    Backfill,
    Instrument,
    InstrumentList,
    RestBook,
    RestLimits,
    RestRequest,
)
from ingest.venues.binance_streams import AggTrade, agg_trade_event
from ingest.venues.decoding import (
    NS_PER_MS,
    Milliseconds,
    SequenceNumber,
    decimal_or_none,
    decoder,
    levels_decoder,
)

_FORMS: tuple[tuple[Literal["spot", "perpetual", "future"], str], ...] = (
    ("spot", "{base}-{quote}"),
    ("perpetual", "{base}-{quote}-PERP"),
    ("future", "{base}-{quote}-{last_six}"),
)


class _Snapshot(Struct, gc=False):
    lastUpdateId: SequenceNumber
    bids: Raw
    asks: Raw
    E: Milliseconds | None = None  # derivatives only


class _Filter(Struct, gc=False):
    filterType: str = ""
    tickSize: str | None = None
    stepSize: str | None = None


class _Listed(Struct, gc=False):
    symbol: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter] = []
    status: str = ""
    contractStatus: str = ""  # what COIN-M calls it
    contractSize: int | None = None  # COIN-M only: of one contract, in quote units


class _ExchangeInfo(Struct, gc=False):
    symbols: list[_Listed]


class Turnover(Struct, gc=False):
    """24 hours of one symbol."""

    symbol: str
    volume: str = ""
    quoteVolume: str = ""  # not on COIN-M


_decode_snapshot = decoder(_Snapshot, "binance depth snapshot")
_decode_levels = levels_decoder("binance depth snapshot", columns=2)
_decode_info = decoder(_ExchangeInfo, "binance exchangeInfo")
_decode_turnovers = decoder(list[Turnover], "binance ticker/24hr")
_decode_agg_trades = decoder(list[AggTrade], "binance aggTrades")


def limits(weight_a_minute: int) -> RestLimits:
    """Return the limits of one address; each answer says how much of them is used."""
    return RestLimits(weight=(weight_a_minute, 60.0), used_header="x-mbx-used-weight-1m")


def book(root: str, *, limit: int, weight: int) -> RestBook:
    """Return how the snapshot of a book is asked for, *limit* levels a side."""

    def request(symbol: str) -> RestRequest:
        return RestRequest(path=f"{root}/depth?symbol={symbol}&limit={limit}", weight=weight)

    return RestBook(request=request, decode=_snapshot)


def _snapshot(body: bytes, rx: int) -> Book:
    wire = _decode_snapshot(body)
    return Book(
        rx=rx,
        ts=None if wire.E is None else wire.E * NS_PER_MS,
        type="snapshot",
        bids=_decode_levels(wire.bids),
        asks=_decode_levels(wire.asks),
        seq=wire.lastUpdateId,
    )


def agg_trades(root: str, *, weight: int) -> Backfill:
    """Return how past aggregate trades are asked for."""
    return Backfill(
        request=by_id(f"{root}/aggTrades", weight=weight),
        decode=_agg_trades,
        most=1000,  # "limit: Default 500; max 1000"
    )


def by_id(path: str, *, weight: int) -> Callable[[str, int, int], RestRequest]:
    """Return the function that asks for a symbol's trades from one id to another."""

    def request(symbol: str, first: int, last: int) -> RestRequest:
        query = f"symbol={symbol}&fromId={first}&limit={last - first + 1}"
        return RestRequest(path=f"{path}?{query}", weight=weight)

    return request


def _agg_trades(body: bytes, rx: int) -> list[Trade]:
    return [agg_trade_event(wire, rx, backfill=True) for wire in _decode_agg_trades(body)]


def instruments(
    root: str,
    *,
    info_weight: int,
    tickers_weight: int,
    to_symbol: Callable[[str], str],
    volume: Callable[[Turnover, str | None], str],
) -> InstrumentList:
    """Return how the market's instruments are listed.

    *volume* tells the volume in quote units, "" where there is none, from 24 hours of
    a symbol and its contract size.
    """

    def parse(bodies: Sequence[bytes]) -> list[Instrument]:
        info, tickers = bodies
        turnovers = {wire.symbol: wire for wire in _decode_turnovers(tickers)}
        found = []
        for wire in _decode_info(info).symbols:
            named = _named(wire, to_symbol)
            if named is None:
                continue
            kind, name = named
            size = wire.contractSize
            contract_size = None if size is None else str(size)
            turnover = turnovers.get(wire.symbol)
            traded = volume(turnover, contract_size) if turnover else ""
            found.append(
                Instrument(
                    name=name,
                    symbol=wire.symbol,
                    kind=kind,
                    base=wire.baseAsset,
                    quote=wire.quoteAsset,
                    tick_size=_filter(wire, "PRICE_FILTER").tickSize,
                    lot_size=_filter(wire, "LOT_SIZE").stepSize,
                    contract_size=contract_size,
                    trading=(wire.status or wire.contractStatus) == "TRADING",
                    volume=decimal_or_none("binance ticker/24hr", traded),
                )
            )
        return found

    return InstrumentList(
        requests=(
            RestRequest(path=f"{root}/exchangeInfo", weight=info_weight),
            RestRequest(path=f"{root}/ticker/24hr", weight=tickers_weight),
        ),
        parse=parse,
    )


def _named(
    wire: _Listed, to_symbol: Callable[[str], str]
) -> tuple[Literal["spot", "perpetual", "future"], str] | None:
    """Find the name that leads back to the symbol; None where no name does."""
    for kind, form in _FORMS:
        name = form.format(base=wire.baseAsset, quote=wire.quoteAsset, last_six=wire.symbol[-6:])
        try:
            if to_symbol(name) == wire.symbol:
                return kind, name
        except ValueError:
            pass
    return None


def _filter(wire: _Listed, kind: str) -> _Filter:
    return next((each for each in wire.filters if each.filterType == kind), _Filter())

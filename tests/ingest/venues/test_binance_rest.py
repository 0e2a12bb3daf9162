"""What the Binance markets answer over REST: listings, books, past trades."""

import json
from pathlib import Path

import pytest

from ingest import venues
from ingest.errors import DecodeError
from ingest.model import Book, Trade
from ingest.venues.base import Instrument, Venue

DATA = Path(__file__).parents[2] / "data"
RX = 1_760_000_000_000_000_000
SPOT, USDM, COINM = (venues.get(name) for name in ("binance", "binance-usdm", "binance-coinm"))
# The listing of the coin-margined market was not recorded: documented shape, own values.
COINM_INFO = {
    "symbols": [
        {
            "symbol": symbol,
            "pair": "BTCUSD",
            "contractType": kind,
            "contractStatus": status,
            "contractSize": 100,
            "marginAsset": "BTC",
            "baseAsset": "BTC",
            "quoteAsset": "USD",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.1"},
                {"filterType": "LOT_SIZE", "stepSize": "1"},
            ],
        }
        for symbol, kind, status in (
            ("BTCUSD_PERP", "PERPETUAL", "TRADING"),
            ("BTCUSD_251226", "CURRENT_QUARTER", "PRE_SETTLE"),
        )
    ]
}


def listed(venue: Venue, info: bytes, tickers: object) -> dict[str, Instrument]:
    assert venue.instruments is not None
    found = venue.instruments.parse([info, json.dumps(tickers).encode()])
    return {each.name: each for each in found}


def recorded_info(venue: str) -> bytes:
    """Some entries of cf-20210814/BINANCE.0.gz, cf-20210417/BINANCE_FUTURES.0.gz as recorded."""
    return (DATA / venue / "exchangeInfo.json").read_bytes()


def test_spot_listing() -> None:
    """Names, steps, status and volume of each symbol that has a name in our terms."""
    tickers = [{"symbol": "BTCUSDT", "volume": "2.5", "quoteVolume": "120000.75"}]
    found = listed(SPOT, recorded_info("binance"), tickers)

    assert list(found) == ["ETH-BTC", "BCC-BTC", "BTC-USDT", "1INCH-BTC"]
    assert found["BTC-USDT"] == Instrument(
        name="BTC-USDT",
        symbol="BTCUSDT",
        kind="spot",
        base="BTC",
        quote="USDT",
        tick_size="0.01000000",
        lot_size="0.00000100",
        volume="120000.75",
    )
    assert found["ETH-BTC"].volume is None
    assert not found["BCC-BTC"].trading  # status BREAK


def test_usdm_listing() -> None:
    """Perpetuals and dated futures; what is listed but does not trade yet says so."""
    tickers = [{"symbol": "BTCUSDT_210625", "volume": "7.125", "quoteVolume": "431000.5"}]
    found = listed(USDM, recorded_info("binance-usdm"), tickers)

    assert list(found) == [
        "BTC-USDT-PERP",
        "1INCH-USDT-PERP",
        "BTCST-USDT-PERP",
        "BTC-USDT-210625",
    ]
    dated = found["BTC-USDT-210625"]
    assert (dated.kind, dated.symbol, dated.volume) == ("future", "BTCUSDT_210625", "431000.5")
    perpetual = found["BTC-USDT-PERP"]
    assert (perpetual.kind, perpetual.tick_size, perpetual.lot_size) == (
        "perpetual",
        "0.01",
        "0.001",
    )
    assert perpetual.trading
    assert not found["BTCST-USDT-PERP"].trading  # status PENDING_TRADING


def test_coinm_listing() -> None:
    """Sizes are contracts: the volume in quote units is what they are worth."""
    tickers = [{"symbol": "BTCUSD_PERP", "volume": "25738", "baseVolume": "21.5"}]
    found = listed(COINM, json.dumps(COINM_INFO).encode(), tickers)

    perpetual, dated = found["BTC-USD-PERP"], found["BTC-USD-251226"]
    assert (perpetual.symbol, perpetual.contract_size, perpetual.volume) == (
        "BTCUSD_PERP",
        "100",
        "2573800",
    )
    assert (dated.kind, dated.trading, dated.volume) == ("future", False, None)


@pytest.mark.parametrize("name", ["binance", "binance-usdm"])
def test_names_lead_back_to_symbols(name: str) -> None:
    """Whatever is listed can be subscribed to by its name."""
    venue = venues.get(name)
    for instrument in listed(venue, recorded_info(name), []).values():
        assert venue.to_symbol(instrument.name) == instrument.symbol


def test_symbols_without_a_name_are_left_out() -> None:
    """Letters that our names do not have, and symbols built in another way."""
    symbols = [
        {"symbol": "币安USDT", "baseAsset": "币安", "quoteAsset": "USDT"},
        {"symbol": "BTCUSDT_SETTLED", "baseAsset": "BTC", "quoteAsset": "USDT"},
    ]
    info = json.dumps({"symbols": symbols}).encode()

    assert not listed(SPOT, info, [])
    assert not listed(USDM, info, [])


@pytest.mark.parametrize(
    ("info", "tickers", "reason"),
    [
        (b'{"code":-1003,"msg":"Too many requests"}', [], "missing_field"),
        (b'{"symbols":[]}', {"code": -1003, "msg": "Too many requests"}, "wrong_type"),
        (b"<html>", [], "bad_json"),
    ],
)
def test_answers_that_are_no_listing(info: bytes, tickers: object, reason: str) -> None:
    """An error where a listing was asked for is not an empty listing."""
    with pytest.raises(DecodeError) as caught:
        listed(SPOT, info, tickers)

    assert caught.value.reason == reason


@pytest.mark.parametrize("volume", ["", "many", "1e999999999"])
def test_volume_that_is_no_number(volume: str) -> None:
    """The worth of contracts is computed from decimals only."""
    with pytest.raises(DecodeError):
        listed(
            COINM, json.dumps(COINM_INFO).encode(), [{"symbol": "BTCUSD_PERP", "volume": volume}]
        )


@pytest.mark.parametrize(
    ("venue", "path", "weight"),
    [
        (SPOT, "/api/v3/depth?symbol=BTCUSDT&limit=1000", 50),
        (USDM, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20),
        (COINM, "/dapi/v1/depth?symbol=BTCUSDT&limit=1000", 20),
    ],
)
def test_book_is_asked_for(venue: Venue, path: str, weight: int) -> None:
    """By symbol, with what it costs."""
    rest = venue.books["book"].rest
    assert rest is not None

    assert (rest.request("BTCUSDT").path, rest.request("BTCUSDT").weight) == (path, weight)


def test_book_snapshot() -> None:
    """The start of a recorded snapshot (hbt-20240808): numbers as sent, the venue's time."""
    rest = USDM.books["book"].rest
    assert rest is not None
    body = (
        b'{"lastUpdateId":5123107852948,"E":1723161256501,"T":1723161256493,'
        b'"bids":[["61800.20","2.909"],["61800.10","0.696"]],"asks":[["61800.30","2.508"]]}'
    )

    assert rest.decode(body, RX) == Book(
        rx=RX,
        ts=1723161256501000000,
        type="snapshot",
        bids=[("61800.20", "2.909"), ("61800.10", "0.696")],
        asks=[("61800.30", "2.508")],
        seq=5123107852948,
    )
    with pytest.raises(DecodeError):
        rest.decode(b'{"code":-1121,"msg":"Invalid symbol."}', RX)


@pytest.mark.parametrize(
    ("first_seq", "joins"), [(90, True), (100, True), (101, True), (102, False)]
)
def test_spot_joins_without_a_hole(first_seq: int, joins: bool) -> None:
    """Snapshot 100 is followed by a delta that begins no later than 101."""
    rule = SPOT.books["book"].joins
    assert rule is not None
    delta = Book(rx=RX, type="delta", bids=[], asks=[], first_seq=first_seq, seq=110)

    assert rule(100, delta) is joins


@pytest.mark.parametrize(
    ("prev_seq", "joins"), [(80, True), (99, True), (100, True), (101, False), (None, False)]
)
@pytest.mark.parametrize("venue", [USDM, COINM])
def test_futures_join_where_nothing_changed(
    venue: Venue, prev_seq: int | None, joins: bool
) -> None:
    """Snapshot 100 is followed by the delta whose predecessor is not beyond it."""
    rule = venue.books["book"].joins
    assert rule is not None
    delta = Book(rx=RX, type="delta", bids=[], asks=[], first_seq=105, prev_seq=prev_seq, seq=110)

    assert rule(100, delta) is joins


@pytest.mark.parametrize(
    ("venue", "channel", "path"),
    [
        (SPOT, "agg_trade", "/api/v3/aggTrades"),
        (SPOT, "trade", "/api/v3/historicalTrades"),
        (USDM, "agg_trade", "/fapi/v1/aggTrades"),
        (COINM, "agg_trade", "/dapi/v1/aggTrades"),
    ],
)
def test_missing_trades_are_asked_for_by_id(venue: Venue, channel: str, path: str) -> None:
    """Ids 5 to 9 are five trades from 5 on."""
    request = venue.backfills[channel].request("BTCUSDT", 5, 9)

    assert request.path == f"{path}?symbol=BTCUSDT&fromId=5&limit=5"


def test_past_trades() -> None:
    """As from the stream, and marked as filled in."""
    agg = b'[{"a":7,"p":"1.10","q":"2.0","f":70,"l":72,"T":1000,"m":true,"M":true}]'
    single = (
        b'[{"id":7,"price":"1.10","qty":"2.0","quoteQty":"2.2","time":1000,"isBuyerMaker":false}]'
    )
    common = {"rx": RX, "ts": 1_000_000_000, "price": "1.10", "size": "2.0", "id": "7"}

    assert SPOT.backfills["agg_trade"].decode(agg, RX) == [
        Trade(**common, side="sell", first_id="70", last_id="72", backfill=True)
    ]
    assert SPOT.backfills["trade"].decode(single, RX) == [
        Trade(**common, side="buy", backfill=True)
    ]
    for backfill in SPOT.backfills.values():
        with pytest.raises(DecodeError):
            backfill.decode(b'{"code":-1100,"msg":"Illegal characters"}', RX)

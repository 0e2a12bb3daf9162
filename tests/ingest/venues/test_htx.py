"""The three markets of HTX: one wire, gzip in every frame."""

import gzip
import json
import zlib
from functools import partial
from pathlib import Path

import pytest

from ingest import venues
from ingest.errors import DecodeError
from ingest.model import Book
from ingest.venues import htx_wire
from ingest.venues.base import (
    Ack,
    Answer,
    Data,
    Ignored,
    Inbound,
    Instrument,
    Reconnect,
    Reject,
    Venue,
)
from ingest.venues.htx_wire import MOST_FRAME_BYTES, parse

DATA = Path(__file__).parents[2] / "data"
# Without the time: a test whose name differs from process to process cannot run in several.
packed = partial(gzip.compress, mtime=0)
SPOT, COINM, USDM = (venues.get(name) for name in ("htx", "htx-coinm", "htx-usdm"))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"ping":1618678073643}', Answer(b'{"pong":1618678073643}')),
        (
            b'{"id":1,"status":"ok","subbed":"market.trioeth.depth.step0","ts":1618678070653}',
            Ack(topics=("market.trioeth.depth.step0",)),
        ),
        (
            b'{"id":"1","subbed":"market.ATOM-USD.trade.detail","ts":1645289384874,"status":"ok"}',
            Ack(topics=("market.ATOM-USD.trade.detail",)),
        ),
        (
            b'{"ts":1586323747018,"status":"error","err-code":"bad-request",'
            b'"err-msg":"invalid symbol linkusdtt","id":"2"}',
            Reject("invalid symbol linkusdtt", code="bad-request", request_id=2),
        ),
        (
            b'{"status":"error","err-code":"bad-request","err-msg":"invalid ping","ts":1}',
            Reject("invalid ping", code="bad-request"),
        ),
        (b'{"id":"1","status":"ok","unsubbed":"market.btcusdt.bbo","ts":1}', Ignored("unsubbed")),
        (b'{"id":"1","rep":"market.btcusdt.mbp.150","status":"ok","data":{}}', Ignored("rep")),
        (
            b'{"op":"ping","ts":"1492420473058"}',
            Answer(b'{"op":"pong","ts":"1492420473058"}'),
        ),
        (
            b'{"op":"sub","cid":"7","topic":"public.BTC-USDT.funding_rate","ts":1,"err-code":0}',
            Ack(topics=("public.BTC-USDT.funding_rate",)),
        ),
        (
            b'{"op":"sub","cid":"7","topic":"public.NO-USDT.funding_rate","err-code":2011,'
            b'"err-msg":"Contract doesn\'t exist.","ts":1649149287637}',
            Reject(
                "Contract doesn't exist.",
                code="2011",
                request_id=7,
                topics=("public.NO-USDT.funding_rate",),
            ),
        ),
        (b'{"op":"close","ts":1489474082831}', Reconnect("close", lost=True)),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers, refusals and both kinds of ping are told apart."""
    assert parse(gzip.compress(frame)) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_compression"),
        (b'{"ping":1}', "bad_compression"),
        (packed(b'{"ping":1}')[:-1], "bad_compression"),
        (packed(b'{"ping":1}') + b"x", "bad_compression"),
        (zlib.compress(b'{"ping":1}'), "bad_compression"),
        (packed(b"[]"), "wrong_type"),
        (packed(b'{"ping":'), "bad_json"),
        (packed(b'{"ping":-1}'), "wrong_type"),
        (packed(b'{"ch":"market.btcusdt.bbo"}'), "unknown_frame"),
        (packed(b'{"op":"party"}'), "unknown_frame"),
        (packed(b'{"op":"ping","ts":{}}'), "bad_value"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "htx" in str(caught.value)


def test_inflation_is_bounded() -> None:
    """A small frame that claims to be huge is refused before it is inflated."""
    bomb = gzip.compress(b"[" * (64 * 1024 * 1024))
    assert len(bomb) < MOST_FRAME_BYTES

    with pytest.raises(DecodeError, match=str(MOST_FRAME_BYTES)):
        parse(bomb)


def test_a_side_that_is_missing() -> None:
    """An empty side is no level: a book's is empty, that of a bbo absent."""
    tick = {"ts": 1, "version": 2, "bids": None, "asks": [[1.5, 2]]}
    data = Data("market.x.depth.step0", json.dumps({"ts": 1, "tick": tick}).encode())
    expected = Book(rx=9, ts=1_000_000, type="snapshot", bids=[], asks=[("1.5", "2")], seq=2)
    assert htx_wire.book(data, 9) == (expected,)

    frame = b'{"ts":1,"tick":{"ts":1,"bid":null,"ask":[1.5,2]}}'
    (bbo,) = htx_wire.contract_bbo(Data("market.X.bbo", frame), 9)
    assert (bbo.bid, bbo.bid_size, bbo.ask, bbo.ask_size) == (None, None, "1.5", "2")


def test_a_book_of_unknown_event() -> None:
    """A book that is neither whole nor changes must not be taken for one of them."""
    tick = {"ts": 1, "version": 2, "bids": [], "asks": [], "event": "partial"}
    with pytest.raises(DecodeError, match="partial"):
        htx_wire.book(Data("x", json.dumps({"ts": 1, "tick": tick}).encode()), 9)


def test_a_notification_of_another_contract() -> None:
    """What is not of the frame's contract is refused."""
    item = {"contract_code": "ETH-USDT", "funding_rate": "0.1", "settlement_time": None}
    payload = json.dumps({"ts": 1, "data": [item]}).encode()
    with pytest.raises(DecodeError) as caught:
        htx_wire.funding(Data("public.BTC-USDT.funding_rate", payload), 9)
    assert caught.value.reason == "symbol_mismatch"


@pytest.mark.parametrize(
    ("venue", "channel", "instrument", "expected"),
    [
        (SPOT, "trade", "BTC-USDT", {"sub": "market.btcusdt.trade.detail", "id": "7"}),
        (SPOT, "candle_1h", "BTC-USDT", {"sub": "market.btcusdt.kline.60min", "id": "7"}),
        (
            USDM,
            "book",
            "BTC-USDT-250926",
            {
                "sub": "market.BTC-USDT-250926.depth.size_150.high_freq",
                "id": "7",
                "data_type": "incremental",
            },
        ),
        (
            COINM,
            "funding",
            "BTC-USD-PERP",
            {"op": "sub", "cid": "7", "topic": "public.BTC-USD.funding_rate"},
        ),
    ],
)
def test_subscribe(venue: Venue, channel: str, instrument: str, expected: dict[str, str]) -> None:
    """Market data and notifications are asked for in two dialects."""
    topic = venue.topic(channel, instrument)

    assert json.loads(venue.subscribe([topic], 7)) == expected


@pytest.mark.parametrize(
    ("channel", "path"),
    [
        ("trade", ""),
        ("mark", "/ws_index"),
        ("funding", "/linear-swap-notification"),
        ("liquidation", "/linear-swap-notification"),
    ],
)
def test_paths(channel: str, path: str) -> None:
    """Index data and notifications have connections of their own."""
    assert USDM.topic(channel, "BTC-USDT-PERP").path == path


@pytest.mark.parametrize(
    ("venue", "instrument", "symbol"),
    [
        (SPOT, "BTC-USDT", "btcusdt"),
        (USDM, "BTC-USDT-PERP", "BTC-USDT"),
        (USDM, "BTC-USDT-220225", "BTC-USDT-220225"),
        (COINM, "SHIB-USD-PERP", "SHIB-USD"),
    ],
)
def test_symbols(venue: Venue, instrument: str, symbol: str) -> None:
    """Our names become the venue's by rule."""
    assert venue.to_symbol(instrument) == symbol


@pytest.mark.parametrize(
    ("venue", "instrument", "text"),
    [
        (SPOT, "BTC-USDT-PERP", "htx-usdm"),
        (SPOT, "BTC-PERP", "htx-usdm"),
        (SPOT, "btc-usdt", "BASE-QUOTE"),
        (USDM, "BTC-USDT", "BASE-QUOTE-PERP"),
        (USDM, "BTC-USDT-2209", "BASE-QUOTE-YYMMDD"),
        (COINM, "BTC-USDT-PERP", "BTC-USD-PERP"),
    ],
)
def test_names_that_cannot_be(venue: Venue, instrument: str, text: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match=text):
        venue.to_symbol(instrument)


def listed(venue: Venue, *bodies: bytes) -> dict[str, Instrument]:
    assert venue.instruments is not None
    found = {one.name: one for one in venue.instruments.parse(bodies)}
    assert all(venue.to_symbol(name) == one.symbol for name, one in found.items())
    return found


def test_spot_instruments() -> None:
    """The recorded listing gives both names, steps, and the volume where it is told."""
    day = b'{"status":"ok","data":[{"symbol":"borusdt","open":1.0,"vol":1234.50,"amount":2.0}]}'
    found = listed(SPOT, (DATA / "htx/symbols.json").read_bytes(), day)

    assert set(found) == {"BOR-USDT", "TRIO-ETH", "FIL3S-USDT", "YFI-HUSD"}
    assert found["BOR-USDT"] == Instrument(
        name="BOR-USDT",
        symbol="borusdt",
        kind="spot",
        base="BOR",
        quote="USDT",
        tick_size="0.01",
        lot_size="0.000001",
        volume="1234.50",
    )


@pytest.mark.parametrize(
    ("venue", "name", "symbol", "contract_size"),
    [
        (USDM, "BTC-USDT-PERP", "BTC-USDT", "0.001000000000000000"),
        (COINM, "BTC-USD-PERP", "BTC-USD", "100.000000000000000000"),
    ],
)
def test_contract_instruments(venue: Venue, name: str, symbol: str, contract_size: str) -> None:
    """The recorded listing gives contracts, their size and, of today's answer, futures."""
    body = (DATA / venue.name / "contracts.json").read_bytes()
    future = symbol.encode() + b"-220225"
    day = b'{"status":"ok","ticks":[{"contract_code":"%b","trade_turnover":"12.50"}]}'
    found = listed(venue, body, day % symbol.encode())

    assert found[name] == Instrument(
        name=name,
        symbol=symbol,
        kind="perpetual",
        base="BTC",
        quote=symbol.partition("-")[2],
        tick_size="0.100000000000000000",
        lot_size="1",
        contract_size=contract_size,
        volume="12.50",
    )
    if venue is USDM:
        dated = body.replace(b'"contract_code":"BTC-USDT"', b'"contract_code":"' + future + b'"')
        one = listed(venue, dated)["BTC-USDT-220225"]
        assert (one.kind, one.symbol, one.volume) == ("future", "BTC-USDT-220225", None)


def test_a_listing_with_names_that_are_none() -> None:
    """An entry that has no name in our terms is left out; the others stay."""
    body = json.loads((DATA / "htx/symbols.json").read_bytes())
    body["data"][0]["base-currency"] = "bor "
    assert len(listed(SPOT, json.dumps(body).encode())) == 3
    with pytest.raises(DecodeError):
        listed(SPOT, b'{"status":"error","err-code":"too-many-requests"}')


def test_changed_books_of_the_spot_market() -> None:
    """They join the book over REST by its version, which is one of their numbers."""
    rule = SPOT.books["book_mbp"]
    assert rule.rest is not None
    assert rule.joins is not None
    assert SPOT.topic("book_mbp", "BTC-USDT").path == "/feed"
    assert rule.rest.request("btcusdt").path == "/market/depth?symbol=btcusdt&type=step0"
    book = rule.rest.decode(
        b'{"ch":"market.btcusdt.depth.step0","status":"ok","ts":1790134135805,"tick":{"bids":'
        b'[[14.46,13.39]],"asks":[[14.64,2.5E-4]],"version":200333109135,"ts":1790134135542}}',
        7,
    )
    assert book == Book(
        rx=7,
        ts=1_790_134_135_542_000_000,
        type="snapshot",
        bids=[("14.46", "13.39")],
        asks=[("14.64", "2.5E-4")],
        seq=200_333_109_135,
    )
    for before, joins in ((200_333_109_135, True), (200_333_109_130, True), (9**20, False)):
        delta = Book(rx=1, type="delta", bids=[], asks=[], seq=9**21, prev_seq=before)
        assert rule.joins(200_333_109_135, delta) is joins
    with pytest.raises(DecodeError):
        rule.rest.decode(b'{"status":"error","err-code":"invalid-parameter"}', 1)

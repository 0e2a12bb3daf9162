import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Ignored, Inbound, Instrument, Pong, Reject
from ingest.venues.hyperliquid import VENUE

parse = VENUE.parser()
BOOK = '{"type":"l2Book","coin":"SOL","nSigFigs":null,"mantissa":null,"fast":false}'


def frame(channel: str, data: object) -> bytes:
    return json.dumps({"channel": channel, "data": data}).encode()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b'{"channel":"pong"}', Pong()),
        (b'{"channel":"trades","data":[]}', Ignored("no trades")),
        (
            frame(
                "subscriptionResponse", {"method": "subscribe", "subscription": {"type": "allMids"}}
            ),
            Ack(topics=("allMids:",)),
        ),
        (
            b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
            b'{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}}}',
            Ack(topics=("l2Book:BTC",)),
        ),
        (
            frame(
                "subscriptionResponse",
                {
                    "method": "subscribe",
                    "subscription": {"type": "candle", "coin": "BTC", "interval": "1m"},
                },
            ),
            Ack(topics=("candle:BTC:1m",)),
        ),
        (
            frame(
                "subscriptionResponse",
                {"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}},
            ),
            Ignored("unsubscribed"),
        ),
        (frame("error", f"Already subscribed: {BOOK}"), Ack(topics=("l2Book:SOL",))),
        (
            frame("error", f"Invalid subscription {BOOK}"),
            Reject(f"Invalid subscription {BOOK}", topics=("l2Book:SOL",)),
        ),
        (
            frame("error", f'Error parsing: {{"method":"subscribe","subscription":{BOOK}}}'),
            Reject(
                f'Error parsing: {{"method":"subscribe","subscription":{BOOK}}}',
                topics=("l2Book:SOL",),
            ),
        ),
        (frame("error", "Websocket error"), Reject("Websocket error")),
        (frame("error", "odd {"), Reject("odd {")),
    ],
)
def test_control_frames(message: bytes, expected: Inbound) -> None:
    """Answers and refusals name what they are about, in different ways."""
    assert parse(message) == expected


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"pong", "bad_json"),
        (b"{}", "missing_field"),
        (b'{"channel":"trades"}', "unknown_frame"),
        (b'{"channel":"allMids","data":{}}', "unknown_frame"),
        (b'{"channel":"trades","data":[{"coin":"A"},{"coin":"B"}]}', "bad_value"),
        (b'{"channel":"bbo","data":{}}', "missing_field"),
        (b'{"channel":"error","data":{}}', "wrong_type"),
    ],
)
def test_broken_frames(message: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        parse(message)

    assert caught.value.reason == reason
    assert "hyperliquid" in str(caught.value)


def test_context_without_values() -> None:
    """What the context does not hold makes no event."""
    data = Data("activeAssetCtx:X", b'{"coin":"X","ctx":{"markPx":null,"funding":null}}')
    for channel in ("mark", "funding", "open_interest"):
        assert VENUE.decoder(channel)(data, 1) == ()


@pytest.mark.parametrize("channel", ["mark", "bbo", "book"])
def test_another_coin(channel: str) -> None:
    """What is of another coin than its topic's is refused."""
    payload = b'{"coin":"ETH","time":1,"ctx":{},"bbo":[null,null],"levels":[[],[]]}'
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder(channel)(Data(VENUE.topic(channel, "BTC-USDC-PERP").name, payload), 1)
    assert caught.value.reason == "symbol_mismatch"


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("mark", {"type": "activeAssetCtx", "coin": "kPEPE"}),
        ("candle_1M", {"type": "candle", "coin": "kPEPE", "interval": "1M"}),
    ],
)
def test_subscribe(channel: str, expected: dict[str, str]) -> None:
    """One subscription a request; a coin keeps its case."""
    topic = VENUE.topic(channel, "kPEPE-USDC-PERP")
    assert json.loads(VENUE.subscribe([topic], 12)) == {
        "method": "subscribe",
        "subscription": expected,
    }


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [
        ("BTC-USDC-PERP", "BTC"),
        ("BTC-USD-PERP", "BTC"),
        ("kPEPE-USDC-PERP", "kPEPE"),
        ("HYPE-USDC", "@107"),
    ],
)
def test_symbols(instrument: str, symbol: str) -> None:
    """Perpetuals go by their base; the quote is USDC, which many call USD; spot by numbers."""
    assert VENUE.to_symbol(instrument) == symbol


@pytest.mark.parametrize("instrument", ["BTC", "btc-usdc-perp", "JEFF-USDC", "BTC-USDT-PERP"])
def test_names_that_cannot_be(instrument: str) -> None:
    """A name in another form is refused with one that fits."""
    with pytest.raises(ValueError, match="BTC-USDC-PERP"):
        VENUE.to_symbol(instrument)


# The answer's shape; one number is another pair's, one token is not told.
SPOT = [
    {
        "tokens": [
            {"name": "USDC", "index": 0, "szDecimals": 8},
            {"name": "PURR", "index": 1, "szDecimals": 0},
            {"name": "HYPE", "index": 150, "szDecimals": 2},
            {"name": "UBTC", "index": 197, "szDecimals": 5},
        ],
        "universe": [
            {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
            {"name": "@142", "tokens": [197, 0], "index": 142},
            {"name": "@9", "tokens": [150, 0], "index": 9},
            {"name": "@10", "tokens": [9, 0], "index": 10},
        ],
    },
    [{"coin": "@142", "dayNtlVlm": "28263447"}, {"coin": "PURR/USDC", "dayNtlVlm": "0.0"}, {}],
]


def test_instruments() -> None:
    """The listing gives both names and the volume; builders' markets are left out."""
    universe = [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
        {"name": "xyz:SP500", "szDecimals": 3, "maxLeverage": 10},
    ]
    days = [{"dayNtlVlm": "1169046.29406", "markPx": "1"}, {"dayNtlVlm": "0.0"}, {}, {}]
    assert VENUE.instruments is not None
    body = json.dumps([{"universe": universe, "marginTables": []}, days]).encode()
    spot = json.dumps(SPOT).encode()
    found = {one.name: one for one in VENUE.instruments.parse([body, spot])}

    assert set(found) == {
        "BTC-USDC-PERP",
        "MATIC-USDC-PERP",
        "kPEPE-USDC-PERP",
        "PURR-USDC",
        "UBTC-USDC",
    }
    assert all(VENUE.to_symbol(name) == one.symbol for name, one in found.items())
    assert not found["MATIC-USDC-PERP"].trading
    assert found["kPEPE-USDC-PERP"].lot_size == "1"
    assert found["BTC-USDC-PERP"] == Instrument(
        name="BTC-USDC-PERP",
        symbol="BTC",
        kind="perpetual",
        base="BTC",
        quote="USDC",
        lot_size="0.00001",
        volume="1169046.29406",
    )
    assert found["UBTC-USDC"] == Instrument(
        name="UBTC-USDC",
        symbol="@142",
        kind="spot",
        base="UBTC",
        quote="USDC",
        lot_size="0.00001",
        volume="28263447",
    )
    for broken in (b"null", json.dumps([{"universe": universe}, days[1:]]).encode()):
        with pytest.raises(DecodeError):
            VENUE.instruments.parse([broken, spot])
    with pytest.raises(DecodeError):
        VENUE.instruments.parse([body, b"[{}]"])

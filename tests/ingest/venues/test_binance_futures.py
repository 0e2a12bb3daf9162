"""What the two derivatives markets of Binance do in ways of their own."""

import json

import pytest

from ingest import venues
from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Reject, Venue
from ingest.venues.subscriber import Subscriber

S = 1_000_000_000
USDM, COINM = venues.get("binance-usdm"), venues.get("binance-coinm")
MARK = {"E": 1, "s": "BTCUSDT", "p": "1.0", "i": "1.1", "r": "0.00010000", "T": 5}


def decode(venue: Venue, channel: str, topic: str, payload: object) -> list[object]:
    return list(venue.decoder(channel)(Data(topic, json.dumps(payload).encode()), 1))


@pytest.mark.parametrize(
    ("channel", "path"),
    [
        ("trade", "/public/stream"),
        ("bbo", "/public/stream"),
        ("book", "/public/stream"),
        ("agg_trade", "/market/stream"),
        ("ticker", "/market/stream"),
        ("candle_1m", "/market/stream"),
        ("mark", "/market/stream"),
        ("funding", "/market/stream"),
        ("liquidation", "/market/stream"),
    ],
)
def test_usdm_paths(channel: str, path: str) -> None:
    """The engine's own data are at one path, what is made from them at the other."""
    assert USDM.topic(channel, "BTC-USDT-PERP").path == path
    assert COINM.topic(channel, "BTC-USD-PERP").path == ""


@pytest.mark.parametrize(
    ("venue", "instrument", "symbol"),
    [
        (USDM, "BTC-USDT-PERP", "BTCUSDT"),
        (USDM, "1000SHIB-USDC-PERP", "1000SHIBUSDC"),
        (USDM, "ETH-USDT-251226", "ETHUSDT_251226"),
        (COINM, "BTC-USD-PERP", "BTCUSD_PERP"),
        (COINM, "ETH-USD-251226", "ETHUSD_251226"),
    ],
)
def test_symbols(venue: Venue, instrument: str, symbol: str) -> None:
    """By rule, without a list."""
    assert venue.to_symbol(instrument) == symbol


@pytest.mark.parametrize("venue", [USDM, COINM])
@pytest.mark.parametrize(
    "instrument",
    [
        "BTC-USDT",
        "BTCUSDT",
        "btc-usdt-perp",
        "BTC-USDT-2512",
        "BTC-USD-251226-1-C",
        "",
        "B-U-PERP\n",
    ],
)
def test_names_that_cannot_be(venue: Venue, instrument: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match=rf"{venue.name}.*BASE-QUOTE-PERP or BASE-QUOTE-YYMMDD"):
        venue.to_symbol(instrument)


def test_margins_are_told_apart() -> None:
    """Who asks one market for what the other has is told so."""
    with pytest.raises(ValueError, match="venue binance-coinm"):
        USDM.to_symbol("BTC-USD-PERP")
    with pytest.raises(ValueError, match="venue binance-usdm"):
        COINM.to_symbol("BTC-USDT-PERP")


def test_mark_and_funding_are_one_subscription() -> None:
    """The stream that feeds both is asked for once, and its answer is for both."""
    both = [USDM.topic(channel, "BTC-USDT-PERP") for channel in ("mark", "funding")]
    subscriber = Subscriber(USDM, both, S)

    request = subscriber.next_request(S)

    assert request is not None
    assert json.loads(request)["params"] == ["btcusdt@markPrice@1s"]
    assert {topic.name for topic in subscriber.on_ack(Ack(1))} == {"btcusdt@markPrice@1s"}
    assert subscriber.settled


def test_errors() -> None:
    """The refusals of a futures market have the spot market's shape."""
    frame = b'{"error":{"code":0,"msg":"Unknown property"},"id":3}'

    assert USDM.parser()(frame) == Reject("Unknown property", code="0", request_id=3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"r": "high"}, "bad_value"),
        ({"r": None}, "bad_value"),
        ({"p": "-1"}, "bad_value"),
        ({"i": "x"}, "bad_value"),
        ({"s": "ETHUSDT"}, "symbol_mismatch"),
        ({"T": -1}, "wrong_type"),
    ],
)
@pytest.mark.parametrize("channel", ["mark", "funding"])
def test_broken_mark_price(channel: str, change: dict[str, object], reason: str) -> None:
    """A value that the venue does not promise costs the message, and says why."""
    if channel == "funding" and "i" in change:
        return  # not a part of it
    with pytest.raises(DecodeError) as caught:
        decode(USDM, channel, "btcusdt@markPrice@1s", MARK | change)

    assert caught.value.reason == reason


def test_mark_price_without_index() -> None:
    """An index that is not sent is absent."""
    (mark,) = decode(USDM, "mark", "btcusdt@markPrice@1s", MARK | {"i": ""})

    assert getattr(mark, "index") is None  # noqa: B009  # any event


def test_book_needs_its_predecessor() -> None:
    """Without `pu` nothing would tell a gap: such a frame is refused."""
    depth = {"E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []}
    with pytest.raises(DecodeError) as caught:
        decode(USDM, "book", "btcusdt@depth@100ms", depth)

    assert caught.value.reason == "missing_field"


@pytest.mark.parametrize("side", ["LONG", "buy", ""])
def test_liquidation_of_no_known_side(side: str) -> None:
    """A side is never guessed."""
    order = {"s": "BTCUSDT", "S": side, "p": "1", "q": "2", "T": 1}
    with pytest.raises(DecodeError):
        decode(USDM, "liquidation", "btcusdt@forceOrder", {"o": order})


def test_book_ticker_without_a_time() -> None:
    """As sent in 2019: the time is absent, not ours."""
    wire = {"u": 5, "s": "BTCUSDT", "b": "1.0", "B": "2", "a": "1.1", "A": "3"}

    (event,) = decode(USDM, "bbo", "btcusdt@bookTicker", wire)

    assert event.ts is None

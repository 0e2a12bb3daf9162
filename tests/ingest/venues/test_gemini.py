import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Ignored, Inbound, Reject
from ingest.venues.gemini import VENUE

# From cf-20210405/GEMINI-e6096f.0.gz.
TRADE = (
    b'{"type":"trade","symbol":"SANDUSD","event_id":32076835383,"timestamp":1617645257289,'
    b'"price":"0.68382","quantity":"1441.084855","side":"sell"}'
)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"type":"heartbeat","timestamp":1617645248100}', Ignored("heartbeat")),
        (
            b'{"result":"error","reason":"InvalidJson","message":"no"}',
            Reject("no", code="InvalidJson"),
        ),
        (b'{"type":"auction_open","symbol":"BTCUSD"}', Ignored("auction_open")),
        (TRADE.replace(b'"sell"', b'"block"'), Ignored("block trade")),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """There are few: the venue says little but data."""
    assert VENUE.parser()(frame) == expected


def test_first_data_is_the_acknowledgement() -> None:
    """Once for each topic and connection, book and trades being one topic."""
    parse = VENUE.parser()
    bars = b'{"type":"candles_5m_updates","symbol":"SANDUSD","changes":[]}'

    for frame, topic in ((TRADE, "l2:SANDUSD"), (bars, "candles_5m:SANDUSD")):
        first, second = parse(frame), parse(frame)

        assert isinstance(first, list)
        assert first[0] == Ack(topics=(topic,))
        assert [type(part) for part in (first[1], second)] == [Data, Data]
    assert isinstance(VENUE.parser()(TRADE), list)


def test_a_book_that_begins_anew() -> None:
    """It answers the request, though the topic had been accepted before."""
    parse = VENUE.parser()
    begin = b'{"type":"l2_updates","symbol":"SANDUSD","changes":[],"trades":[]}'

    assert [type(parse(frame)) for frame in (begin, TRADE, begin)] == [list, Data, list]
    topics = [VENUE.topic(channel, "BTC-USD") for channel in ("book", "trade")]
    assert VENUE.unsubscribe is not None
    assert json.loads(VENUE.unsubscribe(topics, 1)) == {
        "type": "unsubscribe",
        "subscriptions": [{"name": "l2", "symbols": ["BTCUSD"]}],
    }


def test_topics_without_end() -> None:
    """Nobody asked for so many: they are data still, remembered they are not."""
    parse = VENUE.parser()
    kinds = [type(parse(TRADE.replace(b"SANDUSD", b"X%dUSD" % number))) for number in range(1026)]

    assert kinds == [list] * 1024 + [Data] * 2


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b'{"type":"l2_updates","changes":[]}', "missing_field"),
        (b'{"type":"party","symbol":"BTCUSD"}', "unknown_frame"),
        (b"{}", "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        VENUE.parser()(frame)

    assert caught.value.reason == reason


def test_each_takes_its_part() -> None:
    """A trade is nothing to the book; a change of the book is no trade."""
    changes = b'{"type":"l2_updates","symbol":"SANDUSD","changes":[["sell","0.68508","0"]]}'

    assert VENUE.decoder("book")(Data("l2:SANDUSD", TRADE, "trade"), 1) == ()
    assert VENUE.decoder("trade")(Data("l2:SANDUSD", changes, "l2_updates"), 1) == ()


def test_subscribe() -> None:
    """Symbols are gathered under what is wanted of them."""
    topics = [VENUE.topic("trade", name) for name in ("BTC-USD", "ETH-USD")]
    topics.append(VENUE.topic("candle_1h", "BTC-USD"))

    assert json.loads(VENUE.subscribe(topics, 1)) == {
        "type": "subscribe",
        "subscriptions": [
            {"name": "l2", "symbols": ["BTCUSD", "ETHUSD"]},
            {"name": "candles_1h", "symbols": ["BTCUSD"]},
        ],
    }


def test_instruments() -> None:
    """Base and quote are read from the symbol, as the venue's details have them."""
    assert VENUE.instruments is not None
    listed = b'["btcusd","btcgusd","ltcbch","paxgusd","ethdai","zecltc","btcgusdperp","abc"]'

    found = VENUE.instruments.parse([listed])

    assert [(one.name, one.kind) for one in found] == [
        ("BTC-USD", "spot"),
        ("BTC-GUSD", "spot"),
        ("LTC-BCH", "spot"),
        ("PAXG-USD", "spot"),
        ("ETH-DAI", "spot"),
        ("ZEC-LTC", "spot"),
        ("BTC-GUSD-PERP", "perpetual"),
    ]
    assert [VENUE.to_symbol(one.name) for one in found] == [one.symbol for one in found]


@pytest.mark.parametrize("name", ["BTC", "btc-usd", "BTC-USD-250926"])
def test_names_that_cannot_be(name: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        VENUE.to_symbol(name)

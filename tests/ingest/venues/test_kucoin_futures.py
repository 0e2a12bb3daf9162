import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Ignored, Inbound, Instrument, Pong, Reject
from ingest.venues.kucoin_futures import VENUE
from ingest.venues.subscriber import Subscriber

# As the venue answered on 25 September 2026, cut to what matters
CONTRACTS = json.dumps(
    {
        "code": "200000",
        "data": [
            {
                "symbol": symbol,
                "type": kind,
                "status": "Open",
                "baseCurrency": base,
                "quoteCurrency": quote,
                "multiplier": multiplier,
                "lotSize": 1,
                "tickSize": 0.1,
                "isInverse": multiplier < 0,
                "turnoverOf24h": 341156641.03354263,
            }
            for symbol, kind, base, quote, multiplier in (
                ("XBTUSDTM", "FFWCSX", "XBT", "USDT", 0.001),
                ("AIXBTUSDTM", "FFWCSX", "AIXBT", "USDT", 1.0),
                ("XBTUSDM", "FFWCSX", "XBT", "USD", -1.0),
                ("XBTUSDCM", "FFWCSX", "XBT", "USDC", 0.001),
                ("XBTMU26", "FFICSX", "XBT", "USD", -1.0),
                ("ETHUSDXM", "FFWCSX", "ETH", "USD", 1.0),
            )
        ]
        + [7],
    }
).encode()


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"sessionId":"e8","message":"welcome","pingInterval":18000}', Ignored("welcome")),
        (b'{"id":"17","result":true}', Ack(17)),
        (b'{"id":"17","result":"true"}', Ack(17)),
        (
            b'{"id":"18","result":false,"message":"invalid request data"}',
            Reject("invalid request data", request_id=18),
        ),
        (
            b'{"id":"22","result":false,"reason":"symbols are not supported for topic obu"}',
            Reject("symbols are not supported for topic obu", request_id=22),
        ),
        (
            b'{"code":420001,"msg":"Too many errors, disconnected."}',
            Reject("Too many errors, disconnected.", code="420001"),
        ),
        (b'{"type":"pong","id":"p32","ts":1790113111261396000}', Pong()),
        (b'{"id":"1","op":"pong","timestamp":1}', Pong()),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """As probed on 22 September 2026, and as documented."""
    assert parse(frame) == expected


@pytest.mark.parametrize("frame", [b"{}", b'{"id":"1"}', b'{"T":"obu.FUTURES"}', b"[]"])
def test_broken_frames(frame: bytes) -> None:
    with pytest.raises(DecodeError, match="kucoin-futures"):
        parse(frame)


def test_requests() -> None:
    """One topic each; what kind of market it is, only where the venue asks."""

    def request(channel: str) -> dict[str, str]:
        body: dict[str, str] = json.loads(
            VENUE.subscribe([VENUE.topic(channel, "BTC-USDT-PERP")], 4)
        )
        return body

    futures = {"id": "4", "action": "SUBSCRIBE", "symbol": "XBTUSDTM", "tradeType": "FUTURES"}
    assert request("book") == futures | {"channel": "obu", "depth": "increment@10ms"}
    assert request("bbo") == futures | {"channel": "obu", "depth": "1"}
    assert request("candle_1h") == futures | {"channel": "kline", "interval": "1hour"}
    assert request("trade") == futures | {"channel": "trade"}
    assert request("mark") == {
        "id": "4",
        "action": "SUBSCRIBE",
        "channel": "mark-price",
        "symbol": "XBTUSDTM",
    }
    assert VENUE.unsubscribe is not None
    left = json.loads(VENUE.unsubscribe([VENUE.topic("funding", "ETH-USDT-PERP")], 5))
    assert (left["action"], left["channel"], left["symbol"]) == (
        "UNSUBSCRIBE",
        "funding-fee",
        "ETHUSDTM",
    )


def test_one_feed_serves_two_channels() -> None:
    """Mark price and open interest come together, and are asked for once."""
    topics = [VENUE.topic(channel, "BTC-USDT-PERP") for channel in ("mark", "open_interest")]
    subscriber = Subscriber(VENUE, topics, 0)

    assert subscriber.next_request(0) is not None
    assert subscriber.next_request(10**9) is None


def test_an_unknown_kind_of_book() -> None:
    data = Data("obu:increment@10ms:A", b'{"s":"A","O":1,"C":1,"M":1,"a":[],"b":[]}', "other")
    with pytest.raises(DecodeError, match="kind 'other'"):
        VENUE.decoder("book")(data, 1)


def test_an_empty_side() -> None:
    data = Data("obu:1:A", b'{"s":"A","O":1,"C":2,"M":3,"a":[["5","6"]],"b":[]}', "snapshot")
    (bbo,) = VENUE.decoder("bbo")(data, 1)

    assert (bbo.bid, bbo.bid_size, bbo.ask, bbo.ask_size) == (None, None, "5", "6")  # type: ignore[union-attr]


def test_instruments() -> None:
    """Perpetuals, whose symbols follow from our names; no dated ones."""
    assert VENUE.instruments is not None
    found = VENUE.instruments.parse([CONTRACTS])

    assert found[0] == Instrument(
        name="BTC-USDT-PERP",
        symbol="XBTUSDTM",
        kind="perpetual",
        base="BTC",
        quote="USDT",
        tick_size="0.1",
        lot_size="1",
        contract_size="0.001",
        volume="341156641.03354263",
    )
    assert [(one.name, one.symbol, one.contract_size) for one in found[1:]] == [
        ("AIXBT-USDT-PERP", "AIXBTUSDTM", "1.0"),
        ("BTC-USD-PERP", "XBTUSDM", "1"),
        ("BTC-USDC-PERP", "XBTUSDCM", "0.001"),
    ]
    for one in found:
        assert VENUE.to_symbol(one.name) == one.symbol
    with pytest.raises(DecodeError, match="429000"):
        VENUE.instruments.parse([b'{"code":"429000","msg":"Too many requests"}'])


@pytest.mark.parametrize("name", ["BTC-USDT", "XBTUSDTM", "BTC-USD-260925", "btc-usdt-PERP"])
def test_not_an_instrument(name: str) -> None:
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        VENUE.to_symbol(name)

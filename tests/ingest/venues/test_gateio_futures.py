import json
from pathlib import Path

import pytest

from ingest.errors import DecodeError
from ingest.model import Book
from ingest.venues import gateio_btc, gateio_usdt
from ingest.venues.base import Ack, Data, Ignored, Inbound, Instrument, Pong, Reconnect, Reject
from ingest.venues.gateio_usdt import VENUE
from ingest.venues.subscriber import Subscriber

DATA = Path(__file__).parents[2] / "data"


def parse(frame: bytes) -> Inbound | list[Inbound]:
    return VENUE.parser()(frame)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            b'{"time":1747391482,"time_ms":1747391482384,"id":1,"conn_id":"d9db9373dc5e081e",'
            b'"channel":"futures.obu","event":"subscribe","payload":["ob.BTC_USDT.400"],'
            b'"result":{"status":"success"}}',
            Ack(1),
        ),
        (
            b'{"time":1790359189,"time_ms":1790359189780,"channel":"futures.candlesticks",'
            b'"event":"subscribe","payload":["1m_BTC_USDT"],"error":{"code":1,"message":'
            b'"request payload does not follow json schema"},"result":{"status":"fail"}}',
            Reject("request payload does not follow json schema", code="1"),
        ),
        (
            b'{"time":1545404023,"time_ms":1545404023123,"channel":"futures.pong","event":"",'
            b'"result":null}',
            Pong(),
        ),
        (
            b'{"channel":"futures.trades","event":"unsubscribe","result":{"status":"success"}}',
            Ignored("unsubscribe"),
        ),
        (
            b'{"time":1784800711,"time_ms":1784800711140,"channel":"futures.system",'
            b'"event":"update","result":{"type":"upgrade","msg":"reconnect please"}}',
            Reconnect("the server is upgraded"),
        ),
        (
            b'{"channel":"futures.system","event":"update","result":{"type":"other"}}',
            Ignored("system other"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers are for whole requests, by the number that was sent along."""
    assert parse(frame) == expected


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "wrong_type"),
        (b"{}", "unknown_frame"),
        (b'{"channel":"futures.trades","event":"update"}', "unknown_frame"),
        (b'{"channel":"futures.trades","event":"update","result":[7]}', "wrong_type"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(frame)

    assert caught.value.reason == reason
    assert "gateio" in str(caught.value)


def test_contracts_in_one_frame() -> None:
    """Each topic is given what is its own, once."""
    frame = json.dumps(
        {
            "channel": "futures.trades",
            "event": "update",
            "result": [
                {"contract": c, "id": i, "create_time_ms": 1, "price": "1", "size": size}
                for i, (c, size) in enumerate([("A_USDT", -2), ("B_USDT", "0.5"), ("A_USDT", 3)])
            ],
        }
    ).encode()

    found = parse(frame)

    assert isinstance(found, list)
    sizes = {
        part.topic: [event.size for event in VENUE.decoder("trade")(part, 1)]  # type: ignore[union-attr]
        for part in found
        if isinstance(part, Data)
    }
    assert sizes == {"futures.trades:A_USDT": ["2", "3"], "futures.trades:B_USDT": ["0.5"]}
    assert len(found) == 2


def test_subscribe() -> None:
    """Contracts go out together, books by number, candles and statistics one at a time."""
    names = ("BTC-USDT-PERP", "ETH-USDT-PERP")
    tickers = [VENUE.topic(channel, name) for name in names for channel in ("mark", "funding")]
    books = [VENUE.topic("book_50", name) for name in names]
    candle = VENUE.topic("candle_1w", names[0])
    interest = VENUE.topic("open_interest", names[0])

    request = json.loads(VENUE.subscribe(tickers, 4))
    assert (request["id"], request["channel"], request["payload"]) == (
        4,
        "futures.tickers",
        ["BTC_USDT", "ETH_USDT"],
    )
    assert json.loads(VENUE.subscribe(books, 4))["payload"] == ["ob.BTC_USDT.50", "ob.ETH_USDT.50"]
    assert json.loads(VENUE.subscribe([candle], 4))["payload"] == ["7d", "BTC_USDT"]
    assert json.loads(VENUE.subscribe([interest], 4))["payload"] == ["BTC_USDT", "1m"]
    groups = [VENUE.request_group(topic) for topic in (*tickers, *books, candle, interest)]
    assert len(set(groups)) == 4
    inverse = gateio_btc.VENUE.topic("book", "BTC-USD-PERP")
    request = json.loads(gateio_btc.VENUE.subscribe([inverse], 4))
    assert (request["channel"], request["payload"]) == (
        "futures.order_book_update",
        ["BTC_USD", "100ms", "100"],
    )


def test_one_feed_serves_three_channels() -> None:
    """Mark price, funding and ticker come of one channel, which is asked for once."""
    topics = [VENUE.topic(channel, "BTC-USDT-PERP") for channel in ("ticker", "mark", "funding")]
    subscriber = Subscriber(VENUE, topics, 0)

    request = subscriber.next_request(0)

    assert request is not None
    assert json.loads(request)["payload"] == ["BTC_USDT"]
    assert subscriber.next_request(10**9) is None


def test_a_book_over_rest() -> None:
    """Of the inverse contracts: joined by the number that follows the snapshot's."""
    rule = gateio_btc.VENUE.books["book"]
    assert rule.rest is not None
    assert rule.joins is not None
    assert rule.rest.request("BTC_USD").path == (
        "/api/v4/futures/btc/order_book?contract=BTC_USD&limit=100&with_id=true"
    )
    book = rule.rest.decode(
        b'{"id":5,"current":1623898993.123,"update":1623898993.121,'
        b'"asks":[{"p":"1.52","s":"100"}],"bids":[{"p":"1.17","s":201}]}',
        7,
    )
    assert book == Book(
        rx=7,
        ts=1_623_898_993_121_000_000,
        type="snapshot",
        bids=[("1.17", "201")],
        asks=[("1.52", "100")],
        seq=5,
    )
    for first, last, joins in ((6, 9, True), (3, 6, True), (7, 9, False), (3, 5, False)):
        delta = Book(rx=1, type="delta", bids=[], asks=[], seq=last, first_seq=first)
        assert rule.joins(5, delta) is joins
    with pytest.raises(DecodeError):
        rule.rest.decode(b'{"label":"CONTRACT_NOT_FOUND"}', 1)


def test_an_update_says_where_it_begins() -> None:
    data = Data(
        "futures.obu:ob.A_USDT.400",
        b'{"result":{"t":1,"s":"ob.A_USDT.400","u":5,"b":[["1","2"]]}}',
    )
    with pytest.raises(DecodeError, match="without `U`"):
        VENUE.decoder("book")(data, 1)


def test_instruments() -> None:
    """As listed on 25 September 2026; what has no name in our terms is left out."""
    assert VENUE.instruments is not None
    contracts = (DATA / "gateio-usdt" / "contracts.json").read_bytes()
    tickers = b'[{"contract":"BTC_USDT","volume_24h_quote":"5615401236"}]'

    found = VENUE.instruments.parse([contracts, tickers])

    assert found[0] == Instrument(
        name="BTC-USDT-PERP",
        symbol="BTC_USDT",
        kind="perpetual",
        base="BTC",
        quote="USDT",
        tick_size="0.1",
        lot_size="1",
        contract_size="0.0001",
        volume="5615401236",
    )
    # Decimal sizes, whose step is not told.
    assert (found[1].name, found[1].lot_size, found[1].volume) == ("ARIA-USDT-PERP", None, None)
    assert len(found) == 2
    refused = VENUE.instruments.parse([contracts, b'{"label":"TOO_MANY_REQUESTS"}'])
    assert [one.name for one in refused] == [one.name for one in found]

    assert gateio_btc.VENUE.instruments is not None
    (inverse,) = gateio_btc.VENUE.instruments.parse(
        [(DATA / "gateio-btc" / "contracts.json").read_bytes(), b"[]"]
    )
    assert (inverse.name, inverse.contract_size) == ("BTC-USD-PERP", "1")


@pytest.mark.parametrize("venue", [gateio_usdt.VENUE, gateio_btc.VENUE])
@pytest.mark.parametrize("name", ["BTC-USDT", "BTC_USDT", "BTC-USDT-250926", "btc-usdt-PERP", ""])
def test_not_an_instrument(venue: object, name: str) -> None:
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        venue.to_symbol(name)  # type: ignore[attr-defined]

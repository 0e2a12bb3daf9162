import json

import pytest

from ingest.errors import DecodeError
from ingest.model import Level
from ingest.venues.base import Ack, Data, Ignored, Inbound, Pong, Reconnect, Reject
from ingest.venues.bitfinex import VENUE
from ingest.venues.subscriber import Subscriber

CONF = b'{"event":"conf","status":"OK","flags":65536}'
# From cf-20210405/BITFINEX-58bafb.0.gz.
SUBSCRIBED = (
    b'{"event":"subscribed","channel":"ticker","chanId":146471,"symbol":"tREQUSD","pair":"REQUSD"}'
)
# A few entries of BITFINEX.symbols.0.gz, of the first answer and of the third; the
# last two of the first list are our own.
LISTED = b"""[["AAABBB","AAVE:USD","ADAUST","ATOETH","CHZUST","BTC:CNHT","DATA:USD","f"],\
["ADAF0:USTF0","BTCF0:USTF0"]]"""
TICKERS = b"""[["tADAUST",1.2,100,1.21,90,0.01,0.008,1.205,2000.5,1.3,1.1],\
["fUSD",0.0003,0.0003,30,1000,0.0002,2,500,0.1,0.2,0.0002,300,1e-7,1,1],["tX"],\
["tBTCF0:USTF0",1,1,1,1,0,0,60000,10,1,1]]"""


def after(*frames: bytes) -> Inbound:
    """What the last of the frames of one connection says."""
    parse = VENUE.parser()
    *_, last = [parse(frame) for frame in frames]
    assert not isinstance(last, list)
    return last


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (SUBSCRIBED, Ack(topics=("ticker:tREQUSD",), handle="146471")),
        (
            b'{"event":"subscribed","channel":"book","chanId":146465,"symbol":"tCHZUST",'
            b'"prec":"P0","freq":"F0","len":"100","pair":"CHZUST"}',
            Ack(topics=("book:100:tCHZUST",), handle="146465"),
        ),
        (
            b'{"event":"subscribed","channel":"candles","chanId":3,"key":"trade:1m:tBTCUSD"}',
            Ack(topics=("candles:trade:1m:tBTCUSD",), handle="3"),
        ),
        (
            b'{"event":"info","version":2,"serverId":"08c3ea49-017b-4265-959a-aef128755661",'
            b'"platform":{"status":1}}',
            Ignored("info"),
        ),
        (b'{"event":"info","code":20051,"msg":"Stopping"}', Reconnect("server restart")),
        (b'{"event":"info","code":20060,"msg":"Maintenance"}', Ignored("info")),
        (b'{"event":"info","code":20061,"msg":"Done"}', Reconnect("maintenance is over")),
        (CONF, Ignored("conf")),
        (b'{"event":"pong","ts":1790000000123,"cid":1}', Pong()),
        (
            b'{"channel":"ticker","symbol":"tNONONO","event":"error","msg":"symbol: invalid",'
            b'"code":10300,"pair":"NONONO"}',
            Reject("symbol: invalid", code="10300", topics=("ticker:tNONONO",)),
        ),
        (
            b'{"event":"error","msg":"event: invalid","code":10000}',
            Reject("event: invalid", code="10000"),
        ),
        (
            b'{"event":"error","msg":"unsubscribe: invalid","code":10400}',
            Ignored("not unsubscribed"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """Answers name their topic as we do, notices are told apart by their code."""
    assert after(frame) == expected


def test_a_channel_that_was_left() -> None:
    """Its number means nothing any more, however often it is left and begun anew."""
    parse = VENUE.parser()
    for number in range(1, 1500):
        text = b'{"event":"subscribed","channel":"ticker","chanId":%d,"symbol":"tREQUSD"}' % number
        assert parse(text) == Ack(topics=("ticker:tREQUSD",), handle=str(number))
        left = b'{"event":"unsubscribed","status":"OK","chanId":%d}' % number
        assert parse(left) == Ignored("unsubscribed")
    with pytest.raises(DecodeError, match="no channel has the number 1499"):
        parse(b"[1499,[1]]")


def test_numbers_are_those_of_the_connection() -> None:
    """A number says nothing before its subscription is answered, on each connection anew."""
    frame = b"[146471,[1,2,3,4,5,6,7,8,9,10],2]"
    data = after(SUBSCRIBED, frame)

    assert isinstance(data, Data)
    assert (data.topic, bytes(data.payload)) == ("ticker:tREQUSD", b"[1,2,3,4,5,6,7,8,9,10]")
    with pytest.raises(DecodeError) as caught:
        after(frame)
    assert caught.value.reason == "unknown_frame"


@pytest.mark.parametrize("frame", [b'[146471,"hb",8]', b'[146471,"tu",[1,2,3,4],8]'])
def test_frames_without_news(frame: bytes) -> None:
    """Heartbeats, and the second time that a trade is told."""
    assert isinstance(after(CONF, SUBSCRIBED, frame), Ignored)


@pytest.mark.parametrize(
    "lost", [b'[146471,"hb",9]', b'[146471,"te",[1,2,3,4],9]', b"[146471,[],6]"]
)
def test_a_message_that_is_missing(lost: bytes) -> None:
    """Whose it was cannot be told: a new connection; until then nothing counts."""
    parse = VENUE.parser()
    for frame in (CONF, SUBSCRIBED, b'[146471,"hb",6]', b"[146471,[],7]"):
        parse(frame)

    assert isinstance(parse(lost), Reconnect)
    assert isinstance(parse(b"[146471,[],10]"), Ignored)


def test_sequence_before_a_time() -> None:
    """Where the connection has times too, they come last: heartbeats have both and no payload."""
    conf = b'{"event":"conf","status":"OK","flags":98304}'
    parse = VENUE.parser()
    for frame in (conf, SUBSCRIBED, b'[146471,"hb",3603,1569715249702]'):
        parse(frame)

    assert isinstance(parse(b'[146471,"te",[1,2,3,4],3604,1569715249712]'), Data)
    assert isinstance(parse(b"[146471,[],3605,1569715249722]"), Data)
    assert isinstance(parse(b"[146471,[],3607,1569715249732]"), Reconnect)


@pytest.mark.parametrize(("prec", "freq"), [("R0", "F0"), ("P1", "F0"), ("P0", "F1")])
def test_books_of_another_kind(prec: str, freq: str) -> None:
    """Single orders and rounded prices look like levels, and are none of our book."""
    answer = (
        b'{"event":"subscribed","channel":"book","chanId":7,"symbol":"tBTCUSD","prec":"%b",'
        b'"freq":"%b","len":"250","pair":"BTCUSD"}' % (prec.encode(), freq.encode())
    )
    data = after(answer, b"[7,[45761787004,9170,-0.06039856]]")

    assert isinstance(data, Data)
    assert data.topic == f"book:250:tBTCUSD:{prec}:{freq}"
    assert data.topic != VENUE.topic("book", "BTC-USD").name


def test_trades_of_lending() -> None:
    """They have words of their own: data of another topic, told once."""
    answer = b'{"event":"subscribed","channel":"trades","chanId":6,"symbol":"fUSD"}'
    trade = b'[6,"fte",[395969,1561473740000,-10,0.0002,2],1]'

    data = after(answer, trade)

    assert isinstance(data, Data)
    assert data.topic == "trades:fUSD"
    assert isinstance(after(answer, trade.replace(b"fte", b"ftu")), Ignored)


def test_channels_without_end() -> None:
    """A venue that announces more and more of them does not fill our memory."""
    parse = VENUE.parser()
    frames = [SUBSCRIBED.replace(b"146471", str(number).encode()) for number in range(1025)]
    for frame in frames[:-1]:
        parse(frame)

    with pytest.raises(DecodeError) as caught:
        parse(frames[-1])
    assert caught.value.reason == "bad_value"


def test_without_the_flag_there_is_no_sequence() -> None:
    """A venue that did not grant it is not held to it."""
    conf = b'{"event":"conf","status":"OK","flags":0}'

    assert isinstance(after(conf, SUBSCRIBED, b"[146471,[],1]", b"[146471,[]]"), Data)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "bad_json"),
        (b'{"event":"subscribed","channel":"ticker","symbol":"tBTCUSD"}', "missing_field"),
        (b'{"event":"auth"}', "unknown_frame"),
        (b'[146471,"zz",[],8]', "unknown_frame"),
        (b'[146471,"hb","8"]', "bad_value"),
        (b"[146471]", "wrong_type"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        after(CONF, SUBSCRIBED, frame)

    assert caught.value.reason == reason


def test_checksum() -> None:
    """Over bids and asks in turn, at most 25 each, asks with their sign; signed."""
    checksum = VENUE.books["book"].checksum
    assert checksum is not None
    bids: list[Level] = [("61000", "0.75"), ("60999", "1e-7")]
    asks: list[Level] = [("61001", "0.25")]
    many: list[Level] = [(str(price), "1") for price in range(30)]

    # crc32 of "61000:0.75:61001:-0.25:60999:1e-7", from the trailer that gzip writes.
    assert checksum(bids, asks) == 26516570
    assert checksum(many, []) == checksum(many[:25], [])
    assert checksum([], []) == 0


def test_empty_snapshots() -> None:
    """A book without orders is a snapshot; of a market without trades there are no bars."""
    (book,) = VENUE.decoder("book")(Data("book:250:tBTCUSD", b"[]"), 1)

    assert (book.type, book.bids, book.asks) == ("snapshot", [], [])
    assert VENUE.decoder("candle_1m")(Data("candles:trade:1m:tBTCUSD", b"[]"), 1) == []


def test_subscribe() -> None:
    """Each channel has its own way of naming what is wanted."""
    topics = [VENUE.topic(channel, "BTC-USDT") for channel in ("trade", "book", "bbo", "candle_1w")]
    topics.append(VENUE.topic("mark", "BTC-USDT-PERP"))

    assert [json.loads(VENUE.subscribe([topic], 1)) for topic in topics] == [
        {"event": "subscribe", "channel": "trades", "symbol": "tBTCUST"},
        *(
            {
                "event": "subscribe",
                "channel": "book",
                "symbol": "tBTCUST",
                "prec": "P0",
                "freq": "F0",
                "len": length,
            }
            for length in ("250", "1")
        ),
        {"event": "subscribe", "channel": "candles", "key": "trade:1W:tBTCUST"},
        {"event": "subscribe", "channel": "status", "key": "deriv:tBTCF0:USTF0"},
    ]


def test_instruments() -> None:
    """Both ways; a code that we use for another currency has no name."""
    assert VENUE.instruments is not None

    found = VENUE.instruments.parse([LISTED, TICKERS])

    assert [(one.name, one.symbol) for one in found] == [
        ("AAA-BBB", "tAAABBB"),
        ("AAVE-USD", "tAAVE:USD"),
        ("ADA-USDT", "tADAUST"),
        ("ATOM-ETH", "tATOETH"),
        ("CHZ-USDT", "tCHZUST"),
        ("BTC-CNHT", "tBTC:CNHT"),
        ("ADA-USDT-PERP", "tADAF0:USTF0"),
        ("BTC-USDT-PERP", "tBTCF0:USTF0"),
    ]
    assert [VENUE.to_symbol(one.name) for one in found] == [one.symbol for one in found]
    volumes = {one.name: one.volume for one in found if one.volume}
    assert volumes == {"ADA-USDT": "2410.6025", "BTC-USDT-PERP": "600000"}


@pytest.mark.parametrize("name", ["BTC", "btc-usd", "tBTCUSD", "BTC-USD-250926"])
def test_names_that_cannot_be(name: str) -> None:
    """A name in another form is refused with the forms that fit."""
    with pytest.raises(ValueError, match="BASE-QUOTE-PERP"):
        VENUE.to_symbol(name)


def test_liquidations_are_one_channel() -> None:
    """Asked for once for all instruments of a connection; the answer is known by its number."""
    names = ("BTC-USDT-PERP", "BSV-USD", "ETH-USDT-PERP")
    topics = [VENUE.topic("liquidation", name) for name in names]
    topics.append(VENUE.topic("mark", "BTC-USDT-PERP"))
    subscriber, parse = Subscriber(VENUE, topics, 0), VENUE.parser()
    assert subscriber.next_request(0) == VENUE.opening[0]
    request = json.loads(subscriber.next_request(10**10) or b"")
    assert request == {
        "event": "subscribe",
        "channel": "status",
        "key": "liq:global",
        "subId": "1",
    }
    assert b"deriv:tBTCF0:USTF0" in (subscriber.next_request(2 * 10**10) or b"")
    assert subscriber.next_request(3 * 10**10) is None

    answer = parse(json.dumps({**request, "event": "subscribed", "chanId": 5}).encode())
    assert isinstance(answer, Ack)
    assert subscriber.on_ack(answer) == topics[:3]

    twice = {**request, "event": "error", "code": 10301, "msg": "subscribe: dup"}
    assert parse(json.dumps(twice).encode()) == Ack(1)
    refused = {**request, "event": "error", "code": 10300, "msg": "subscribe: invalid"}
    assert parse(json.dumps(refused).encode()) == Reject(
        "subscribe: invalid", code="10300", request_id=1
    )


def test_liquidations_of_others() -> None:
    """Of instruments nobody asked for, which is no surprise; each goes to its own topic."""
    parse = VENUE.parser()
    parse(b'{"event":"subscribed","channel":"status","chanId":5,"key":"liq:global"}')
    row = '["pos",1,1574697680828,null,"%s",2.5,91.5,null,%d,1,null,112.27]'
    frame = f"[5,[{row % ('tBTCUSD', 1)},{row % ('tETHUSD', 0)}]]".encode()

    parts = parse(frame)

    assert isinstance(parts, list)
    assert [(part.topic, part.shared) for part in parts if isinstance(part, Data)] == [
        ("status:liq:tBTCUSD", True),
        ("status:liq:tETHUSD", True),
    ]
    decode = VENUE.decoder("liquidation")
    counts = [len(decode(part, 1)) for part in parts if isinstance(part, Data)]
    assert counts == [1, 0]  # one of them only begins
    assert parse(b"[5,[]]") == []

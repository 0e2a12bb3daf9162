"""The venue that enforces its limits (tests/servers/strict): each breach is seen, and answered.

A test that finds no breach proves something only if there would have been one to find.
"""

import contextlib
import gzip
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.servers.strict.families import FAMILIES
from tests.servers.strict.rules import RULES

PATHS = {
    **{"binance": "/stream", "binance-usdm": "/market/stream", "okx": "/ws/v5/public"},
    **{"htx": "/ws", "htx-usdm": "/linear-swap-ws", "htx-coinm": "/swap-ws"},
}


def request(family: str, symbols: list[str]) -> list[str]:
    """What subscribes to the trades of these at a venue, as its documentation has it."""
    bodies: list[dict[str, Any]]
    match family:
        case "binance" | "binance-usdm" | "binance-coinm":
            params = [f"{symbol.lower()}@aggTrade" for symbol in symbols]
            bodies = [{"method": "SUBSCRIBE", "params": params, "id": 1}]
        case "okx":
            args = [{"channel": "trades", "instId": symbol} for symbol in symbols]
            bodies = [{"op": "subscribe", "args": args}]
        case "kraken":
            wanted = {"channel": "trade", "symbol": symbols}
            bodies = [{"method": "subscribe", "params": wanted, "req_id": 1}]
        case "kraken-v1":
            head = {"event": "subscribe", "reqid": 1, "subscription": {"name": "trade"}}
            bodies = [{**head, "pair": symbols}]
        case "coinbase":
            bodies = [{"type": "subscribe", "product_ids": symbols, "channels": ["matches"]}]
        case "coinbase-advanced":
            bodies = [{"type": "subscribe", "product_ids": symbols, "channel": "market_trades"}]
        case "bybit":
            topics = [f"publicTrade.{symbol}" for symbol in symbols]
            bodies = [{"op": "subscribe", "args": topics, "req_id": "1"}]
        case "bitfinex":
            trades = {"event": "subscribe", "channel": "trades"}
            bodies = [{**trades, "symbol": f"t{symbol}"} for symbol in symbols]
        case "deribit":
            channels = [f"trades.{symbol}.100ms" for symbol in symbols]
            bodies = [{"id": 1, "method": "public/subscribe", "params": {"channels": channels}}]
        case "gemini":
            bodies = [{"type": "subscribe", "subscriptions": [{"name": "l2", "symbols": symbols}]}]
        case "bitstamp":
            names = [f"live_trades_{symbol.lower()}" for symbol in symbols]
            bodies = [{"event": "bts:subscribe", "data": {"channel": name}} for name in names]
        case "crypto-com":
            names = [f"trade.{symbol}" for symbol in symbols]
            bodies = [{"id": 1, "method": "subscribe", "params": {"channels": names}}]
        case "hyperliquid":
            wanted_ = [{"type": "trades", "coin": symbol} for symbol in symbols]
            bodies = [{"method": "subscribe", "subscription": each} for each in wanted_]
        case "gateio":
            bodies = [gate("spot.trades", symbols)]
        case "gateio-usdt" | "gateio-btc":
            bodies = [gate("futures.trades", symbols)]
        case "kucoin-futures":
            head = {"id": "1", "action": "SUBSCRIBE", "channel": "trade", "tradeType": "FUTURES"}
            bodies = [{**head, "symbol": symbol} for symbol in symbols]
        case "gemini-v3":
            params = [f"{symbol.lower()}@trade" for symbol in symbols]
            bodies = [{"id": 1, "method": "subscribe", "params": params}]
        case "kucoin":
            topic = f"/market/match:{','.join(symbols)}"
            bodies = [{"id": "1", "type": "subscribe", "topic": topic, "response": True}]
        case "htx" | "htx-usdm" | "htx-coinm":
            bodies = [{"sub": f"market.{symbol}.trade.detail", "id": "1"} for symbol in symbols]
        case "bitmex":
            bodies = [{"op": "subscribe", "args": [f"trade:{symbol}" for symbol in symbols]}]
        case _:
            raise AssertionError(family)
    return [json.dumps(body) for body in bodies]


def gate(channel: str, payload: list[str]) -> dict[str, Any]:
    head = {"time": int(time.time()), "id": 1, "channel": channel, "event": "subscribe"}
    return {**head, "payload": payload}


def address(venue: Any, family: str) -> str:
    """Where to connect to; of KuCoin with the token that is needed there."""
    url: str = venue.url + PATHS.get(family, "/")
    if family != "kucoin":
        return url
    body = json.loads(asked(venue, "/api/v1/bullet-public", method="POST")[1])
    return f"{url}?token={quote(body['data']['token'], safe='')}"


def opened(venue: Any, family: str, url: str = "") -> ClientConnection:
    return connect(url or address(venue, family), compression=None, ping_interval=None)


def asked(venue: Any, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of a REST answer."""
    url = venue.url.replace("ws:", "http:") + path
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, method=method), timeout=5
        ) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()


def end_of(ws: ClientConnection, within_s: float = 5.0) -> tuple[list[str], int | None]:
    """What comes until the venue closes, and its code; None: it did not."""
    end, got = time.monotonic() + within_s, []
    try:
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                frame = ws.recv(timeout=0.1)
                got.append(frame if isinstance(frame, str) else unpacked(frame).decode())
    except ConnectionClosed as exc:
        return got, exc.rcvd.code if exc.rcvd else 1006
    return got, None


def unpacked(frame: bytes) -> bytes:
    """HTX's frames are gzip, KuCoin's plain."""
    return gzip.decompress(frame) if frame.startswith(b"\x1f\x8b") else frame


def many(count: int) -> list[str]:
    return [f"C{n}" for n in range(count)]


def each(family: str, count: int) -> Callable[[ClientConnection], None]:
    """Subscribe to many, each in a request of its own, at once."""

    def act(ws: ClientConnection) -> None:
        for symbol in many(count):
            for text in request(family, [symbol]):
                ws.send(text)

    return act


def at_once(family: str, count: int) -> Callable[[ClientConnection], None]:
    def act(ws: ClientConnection) -> None:
        for text in request(family, many(count)):
            ws.send(text)

    return act


def pongs(ws: ClientConnection) -> None:
    for _ in range(6):
        ws.pong(b"unsolicited")


def sends(
    body: dict[str, Any] | Callable[[], dict[str, Any]], *, twice: bool = False
) -> Callable[[ClientConnection], None]:
    """*body*: a function where it says when it was made, which is not when tests are collected."""

    def act(ws: ClientConnection) -> None:
        for _ in range(1 + twice):
            ws.send(json.dumps(body() if callable(body) else body))

    return act


def nothing(ws: ClientConnection) -> None:
    pass


# family, rules scaled down, what the client does, the rule broken, the venue's close code
# (None: it stays open), a text it says first
BREACHES: dict[str, tuple[str, dict[str, Any], Callable[[Any], None], str, int | None, str]] = {
    "binance: messages": ("binance", {}, each("binance", 6), "messages", 1008, ""),
    "binance: pongs count": ("binance", {}, pongs, "messages", 1008, ""),
    "binance: a request too long": (
        *("binance", {}, at_once("binance", 400), "request_bytes", None, ""),
    ),
    "binance: topics": (
        *("binance", {"topics_per_connection": 3}, at_once("binance", 4)),
        *("topics_per_connection", 1008, ""),
    ),
    "binance-usdm: messages": ("binance-usdm", {}, each("binance-usdm", 11), "messages", 1008, ""),
    "okx: subscriptions": (
        *("okx", {"subscribes": ["window", 4, 60.0]}, each("okx", 5)),
        *("subscribes", None, "60014"),
    ),
    "okx: silence": (
        "okx",
        {"quiet_s": 0.3, "subscribe_within_s": None},
        nothing,
        "quiet_s",
        4004,
        "",
    ),
    "okx: 64 KB of topics": (*("okx", {}, at_once("okx", 2500), "request_bytes", None, "60012"),),
    "kraken: subscriptions": ("kraken", {}, each("kraken", 16), "subscribes", None, "Exceeded msg"),
    "coinbase: subscribe in time": (
        *("coinbase", {"subscribe_within_s": 0.3}, nothing, "subscribe_within_s", 1008, ""),
    ),
    "coinbase: messages": ("coinbase", {}, each("coinbase", 101), "messages", 1008, ""),
    "bybit: topics in a request": (
        *("bybit", {}, at_once("bybit", 11), "topics_per_request", None, "args size >10"),
    ),
    "bybit: no ping": ("bybit", {"client_quiet_s": 0.3}, nothing, "client_quiet_s", 1008, ""),
    "bitfinex: channels": (
        *("bitfinex", {}, each("bitfinex", 26), "topics_per_connection", None, "10305"),
    ),
    "deribit: subscriptions": ("deribit", {}, each("deribit", 11), "subscribes", 1008, "10028"),
    "gateio: an old request": (
        *("gateio", {}, sends({**gate("spot.trades", ["A_B"]), "time": 123456})),
        *("request_age_s", None, "Gap between request time"),
    ),
    "gateio: a request that is too early": (
        *(
            "gateio",
            {},
            sends(lambda: {**gate("spot.trades", ["A_B"]), "time": int(time.time()) + 3600}),
        ),
        *("request_age_s", None, "Gap between request time"),
    ),
    "gateio: several books in a request": (
        *("gateio", {}, sends(lambda: gate("spot.order_book_update", ["A_B", "C_D"]))),
        *("malformed", 1008, ""),
    ),
    "kucoin: topics in a request": (
        *("kucoin", {}, at_once("kucoin", 101), "topics_per_request", None, "100 per time"),
    ),
    "kucoin: topics": (
        *("kucoin", {"topics_per_connection": 3}, at_once("kucoin", 4)),
        *("topics_per_connection", None, '"code":509'),
    ),
    "kucoin: messages": ("kucoin", {}, each("kucoin", 101), "messages", 1000, ""),
    "kucoin: PING frames count": (
        *("kucoin", {"messages": ["window", 5, 10.0]}, pongs, "messages", 1000, ""),
    ),
    # Data and requests are no substitute.
    "kucoin: no ping": (
        *("kucoin", {"client_ping": [0.3, 0.2]}, each("kucoin", 1), "client_ping", 1000, ""),
    ),
    "htx: topics in a request": (
        *("htx", {}, sends({"sub": ["market.a.bbo", "market.b.bbo"], "id": "1"})),
        *("topics_per_request", 1008, ""),
    ),
    "htx-usdm: a notification at the path of data": (
        *("htx-usdm", {}, sends({"op": "sub", "cid": "1", "topic": "public.A-USDT.funding_rate"})),
        *("wrong_path", 1008, ""),
    ),
    "htx-coinm: marks at the path of data": (
        *("htx-coinm", {}, sends({"sub": "market.A-USD.mark_price.1min", "id": "1"})),
        *("wrong_path", 1008, ""),
    ),
    "htx-coinm: topics in a request": (
        *("htx-coinm", {}, sends({"sub": ["market.A-USD.bbo", "market.B-USD.bbo"], "id": "1"})),
        *("topics_per_request", 1008, ""),
    ),
    "htx-usdm: topics in a request": (
        *("htx-usdm", {}, sends({"sub": ["market.A-USDT.bbo", "market.B-USDT.bbo"], "id": "1"})),
        *("topics_per_request", 1008, ""),
    ),
    "htx: an answer to no ping": ("htx", {}, sends({"pong": 1}), "malformed", 1008, ""),
    "htx: no pong": ("htx", {"ping": [0.1, 0.2]}, nothing, "ping", 1008, '"ping":'),
    "htx-usdm: no pong": ("htx-usdm", {"ping": [0.1, 0.2]}, nothing, "ping", 1008, '"ping":'),
    "htx-coinm: no pong": ("htx-coinm", {"ping": [0.1, 0.2]}, nothing, "ping", 1008, '"ping":'),
    "gateio-btc: several books in a request": (
        *("gateio-btc", {}, sends(lambda: gate("futures.order_book_update", ["A_B", "C_D"]))),
        *("malformed", 1008, ""),
    ),
    "gateio-usdt: a book twice": (
        *("gateio-usdt", {}, sends(lambda: gate("futures.obu", ["ob.A_B.400"]), twice=True)),
        *("twice", None, "Alert sub ob.A_B.400"),
    ),
    "gateio-btc: books that are of USDT only": (
        *("gateio-btc", {}, sends(lambda: gate("futures.obu", ["ob.A_B.400"]))),
        *("malformed", 1008, ""),
    ),
    "kucoin-futures: messages": (
        *("kucoin-futures", {}, each("kucoin-futures", 301), "messages", 1000, ""),
    ),
    "kucoin-futures: pings too often": (
        *("kucoin-futures", {}, sends({"id": "0", "type": "ping"}, twice=True)),
        *("ping_rate", 1000, '"pong"'),
    ),
    "gemini-v3: what is no stream": (
        *("gemini-v3", {}, sends({"id": 1, "method": "subscribe", "params": ["btcusd@l2"]})),
        *("malformed", 1008, ""),
    ),
    "bitmex: a ping in JSON": ("bitmex", {}, sends({"op": "ping"}), "malformed", 1008, ""),
}


def rude(family: str, rule: str) -> tuple[dict[str, Any], Callable[[Any], None]]:
    """What to scale a rule down to, and what breaks it then."""
    plainly = {"messages_count_control": False, "messages_pro_rata": False}
    a_few: dict[str, Any] = {"messages": ["window", 3, 60.0], **plainly}
    match rule:
        case "topics_per_connection" | "topics_per_request" | "topics_per_host":
            return {rule: 3}, alone(family, at_once(family, 4))
        case "topic_bytes_per_connection":
            return {rule: 5}, alone(family, at_once(family, 4))
        case "request_bytes":
            return {rule: 20}, alone(family, at_once(family, 1))
        case "messages":
            return a_few, alone(family, each(family, 4))
        case "messages_count_control":
            return {"messages": a_few["messages"]}, alone(family, pongs)
        case "messages_per_host":
            return a_few, lambda venue: together(venue, family, each(family, 2), 2)
        case "messages_pro_rata":  # of one a second, nothing is left once that has begun
            return {"messages": ["window", 1, 1.0]}, alone(family, each(family, 1))
        case "subscribes":
            return {rule: ["window", 3, 60.0]}, alone(family, each(family, 4))
        case "subscribe_within_s" | "client_quiet_s":
            return {rule: 0.2}, alone(family, nothing)
        case "quiet_s":
            return {rule: 0.2, "subscribe_within_s": None}, alone(family, nothing)
        case "ping":
            return {rule: [0.1, 0.2]}, lambda venue: never_answering(venue, family)
        case "leave_within_s":
            return {rule: 0.2}, lambda venue: staying(venue, family)
        case "client_ping":
            return {rule: [0.1, 0.1]}, alone(family, nothing)
        case "request_age_s":
            return {rule: -1.0}, alone(family, each(family, 1))
        case "ban_after_disconnects":
            limits = {**a_few, rule: 1}
            return limits, lambda venue: together(venue, family, each(family, 4), 2)
    raise AssertionError(f"nobody breaks {rule}")


def alone(family: str, act: Callable[[ClientConnection], None]) -> Callable[[Any], None]:
    return lambda venue: together(venue, family, act, 1)


def together(venue: Any, family: str, act: Callable[[ClientConnection], None], count: int) -> None:
    """Several connections, until the venue has something to say about it."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            with contextlib.suppress(InvalidStatus, ConnectionClosed, TimeoutError):
                ws = stack.enter_context(opened(venue, family))
                act(ws)
                ws.recv(timeout=0.1)
        venue.wait("violation")


def never_answering(venue: Any, family: str) -> None:
    with socket.create_connection(("127.0.0.1", venue.port)) as plain:
        plain.sendall(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        plain.recv(4096)
        if family == "deribit":  # which asks those who want to be asked
            wish = b'{"id":9,"method":"public/set_heartbeat","params":{"interval":10}}'
            plain.sendall(bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)
        venue.wait("violation")


def staying(venue: Any, family: str) -> None:
    with opened(venue, family):
        venue.tell("leave")
        venue.wait("violation")


# No limits by themselves; or broken at every venue below.
MANNERS = ("ban_s", "ban_status", "connects", "open_connections", "rest")
LIMITED = [
    (family, rule)
    for family, rules in RULES.items()
    for rule, value in msgspec.structs.asdict(rules).items()
    # Of one topic in a request there is no way to send two, or one of its own: `BREACHES`.
    if value and rule not in MANNERS and (rule, value) != ("topics_per_request", 1)
]
# Each kind at one venue; at all of them, of which each has its own way to ask, takes minutes.
FIRST = {rule: family for family, rule in reversed(LIMITED)}


@pytest.mark.parametrize(
    ("family", "rule"),
    [
        pytest.param(family, rule, marks=() if FIRST[rule] == family else pytest.mark.long)
        for family, rule in LIMITED
    ],
)
def test_every_limit_can_be_broken(kit: Any, family: str, rule: str) -> None:
    """A client that does so is caught, at this venue."""
    changes, act = rude(family, rule)
    venue = kit.strict(family, rules=changes, rate=0.01)
    broken = {"messages_per_host": "messages", "messages_count_control": "messages"}
    expected = {"ban_after_disconnects": "banned"}.get(rule, broken.get(rule, rule))
    act(venue)

    assert expected in {violation["rule"] for violation in venue.report()["violations"]}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_on_a_connection(kit: Any, breach: str) -> None:
    """It is reported once or more, and the venue does what it does."""
    family, rules, act, rule, code, text = BREACHES[breach]
    venue = kit.strict(family, rules=rules, rate=5)
    with opened(venue, family) as ws:
        act(ws)
        got, closed = end_of(ws, 5.0 if code else 0.5)

    assert {violation["rule"] for violation in venue.report()["violations"]} == {rule}
    assert closed == code
    assert any(text in message for message in got) or not text


@pytest.mark.parametrize("family", FAMILIES)
def test_too_many_attempts(kit: Any, family: str) -> None:
    """The address is refused for a while, and told for how long; then let in again."""
    ban_s = 1.0
    limit = [["window", 2, 0.5]]
    venue = kit.strict(family, rules={"connects": limit, "ban_s": ban_s})
    url = address(venue, family)
    for _ in range(2):
        with opened(venue, family, url):
            pass
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused, opened(venue, family, url):
            pass
        assert refused.value.response.status_code == RULES[family].ban_status
        assert refused.value.response.headers["Retry-After"] == "1"
    time.sleep(ban_s + 0.1)
    with opened(venue, family, url):
        pass

    rules = [violation["rule"] for violation in venue.report()["violations"]]
    assert rules == ["connects", "banned"]


@pytest.mark.parametrize("family", [f for f in FAMILIES if RULES[f].open_connections])
def test_too_many_connections(kit: Any, family: str) -> None:
    """The one too many is refused, the others stay; once one is gone there is room."""
    venue = kit.strict(family, rules={"open_connections": 1, "connects": []})
    url = address(venue, family)
    with opened(venue, family, url) as ws:
        with pytest.raises(InvalidStatus) as refused, opened(venue, family, url):
            pass
        assert refused.value.response.status_code == 429
        assert end_of(ws, 0.2)[1] is None
    venue.until(lambda report: report["open"] == 0)
    with opened(venue, family, url):
        pass

    rules = [violation["rule"] for violation in venue.report()["violations"]]
    assert rules == ["open_connections"]


def test_disconnected_again_and_again(kit: Any) -> None:
    """Binance bans the address."""
    venue = kit.strict("binance")
    for _ in range(3):
        with opened(venue, "binance") as ws:
            each("binance", 6)(ws)
            assert end_of(ws)[1] == 1008
    with pytest.raises(InvalidStatus) as refused, opened(venue, "binance"):
        pass
    assert refused.value.response.status_code == 418


def test_pings_that_are_answered(kit: Any) -> None:
    """Nothing happens, and they are counted."""
    venue = kit.strict("binance", rules={"ping": [0.1, 10.0]})
    with opened(venue, "binance") as ws:
        assert end_of(ws, 0.6)[1] is None  # the library answers

    report = venue.report()
    assert report["violations"] == []
    assert report["counts"]["pings answered"] >= 3


def test_requests_that_are_not_answered(kit: Any) -> None:
    """Deribit's `test_request` is a message."""
    venue = kit.strict("deribit", rules={"ping": [0.1, 0.3]})
    params = {"interval": 10}
    with opened(venue, "deribit") as ws:
        ws.send(json.dumps({"id": 9, "method": "public/set_heartbeat", "params": params}))
        got, closed = end_of(ws)

    assert closed == 1008
    assert any("test_request" in message for message in got)
    assert venue.wait("violation")["rule"] == "ping"


def test_weight_of_requests(kit: Any) -> None:
    """429 with Retry-After, then 418 for those who go on."""
    venue = kit.strict("binance", rules={"rest": [500, 60.0]})
    url = venue.url.replace("ws:", "http:") + "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    statuses = []
    for _ in range(4):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                statuses.append((answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]))
        except urllib.error.HTTPError as exc:
            statuses.append((exc.code, exc.headers["Retry-After"]))

    assert statuses == [(200, "250"), (200, "500"), (429, "120"), (418, "120")]
    rules = [violation["rule"] for violation in venue.report()["violations"]]
    assert rules == ["rest", "banned"]


# Of each venue one that costs little, and what it weighs.
REST = {
    **{"binance": ("GET", "/api/v3/depth?symbol=BTCUSDT&limit=100", 5)},
    **{"binance-usdm": ("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=50", 2)},
    **{"binance-coinm": ("GET", "/dapi/v1/depth?symbol=BTCUSD_PERP&limit=50", 2)},
    **{"bitstamp": ("GET", "/api/v2/order_book/btcusd/", 1)},
    **{"gateio": ("GET", "/api/v4/spot/order_book?currency_pair=A_B&with_id=true", 1)},
    **{"kucoin": ("POST", "/api/v1/bullet-public", 10)},
    **{"htx": ("GET", "/v1/common/symbols", 1)},
    **{"htx-usdm": ("GET", "/linear-swap-api/v1/swap_contract_info", 1)},
    **{"htx-coinm": ("GET", "/swap-api/v1/swap_contract_info", 1)},
    **{"bitmex": ("GET", "/api/v1/instrument/active", 1)},
    **{"gateio-usdt": ("GET", "/api/v4/futures/usdt/contracts", 1)},
    **{"gateio-btc": ("GET", "/api/v4/futures/btc/order_book?contract=A_USD&with_id=true", 1)},
    **{"kucoin-futures": ("GET", "/api/v1/contracts/active", 3)},
}


@pytest.mark.parametrize("family", [f for f in FAMILIES if RULES[f].rest])
def test_too_many_requests(kit: Any, family: str) -> None:
    """Two are answered, the third is too much, and then the address is banned for a while."""
    method, path, weight = REST[family]
    venue = kit.strict(family, rules={"rest": [2 * weight, 60.0]})
    statuses = [asked(venue, path, method)[0] for _ in range(4)]

    assert statuses == [200, 200, 429, RULES[family].ban_status]
    report = venue.report()
    assert [violation["rule"] for violation in report["violations"]] == ["rest", "banned"]
    assert report["peaks"]["rest"][0] == 4 * weight  # what is refused counts as well


@pytest.mark.parametrize("query", ["", "?token=x", "?token=1600000000%2B2629462594%2F%3D%3D"])
def test_no_token(kit: Any, query: str) -> None:
    """None, one of somebody else's, one that is too old: KuCoin says so and closes."""
    venue = kit.strict("kucoin")
    with opened(venue, "kucoin", f"{venue.url}/{query}") as ws:
        got, closed = end_of(ws)

    assert closed == 1000
    assert '"code":401' in got[0]
    assert venue.wait("violation")["rule"] == "token"


def test_a_ticket_has_to_be_posted_for(kit: Any) -> None:
    """It is no GET."""
    assert asked(kit.strict("kucoin"), "/api/v1/bullet-public")[0] == 405


@pytest.mark.parametrize(
    ("family", "path"), [("htx", "/ws"), ("htx-usdm", "/linear-swap-notification")]
)
def test_messages_that_are_answered(kit: Any, family: str, path: str) -> None:
    """HTX wants its number back, in either dialect."""
    venue = kit.strict(family, rules={"ping": [0.1, 0.4]})
    with opened(venue, family, venue.url + path) as ws:
        for _ in range(8):
            frame = ws.recv(timeout=5, decode=False)
            ping = json.loads(gzip.decompress(frame))
            pong = {**ping, "op": "pong"} if "op" in ping else {"pong": ping["ping"]}
            ws.send(json.dumps(pong))

    report = venue.report()
    assert report["violations"] == []
    assert report["counts"]["pings answered"] >= 7


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_client_is_served(kit: Any, family: str) -> None:
    """It gets data of what it asked for, and the report has no violation."""
    venue = kit.strict(family, rate=20)
    with opened(venue, family) as ws:
        for text in request(family, ["BTC"]):
            ws.send(text)
        got, closed = end_of(ws, 0.5)
        report = venue.report()

    assert closed is None
    assert len(got) > 3
    assert report["violations"] == []
    assert report["subscribed"] == 1

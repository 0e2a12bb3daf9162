"""One connection through everything a venue can do wrong; at the end all is well again."""

import json
from typing import Any

import pytest

from tests.servers.ports import closed_port

TRADE = "md:binance:trade:BTC-USDT"
FEED = "md:binance:feed:binance-1"
BASE_S, CAP_S = 0.02, 0.2  # as the fixture configures


def sent(data: bytes) -> list[Any]:
    """The step that sends raw bytes."""
    return ["raw", data.hex()]


UP = [["handshake"], ["ack"], ["data", 3]]
STAY = ["stay"]
WRONG_KEY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: aaaaaaaaaaaaaaaaaaaaaaaaaaa=\r\n\r\n"
)
# What the venue does with a connection, and what the loss of it is called.
FAULTS: dict[str, tuple[list[list[Any]], str]] = {
    "answers 403": ([["http", 403]], "http_403"),
    "answers 429": ([["http", 429, {"Retry-After": "1"}]], "http_429"),
    "answers 503": ([["http", 503]], "http_503"),
    "answers 200": ([["http", 200]], "http_200"),
    "redirects": ([["http", 301, {"Location": "https://example.com/"}]], "http_301"),
    "answers somebody else": ([sent(WRONG_KEY), STAY], "bad_handshake"),
    "is no HTTP server": ([sent(b"220 mail.example.com ESMTP\r\n"), STAY], "bad_handshake"),
    "sends noise": ([sent(bytes(range(128, 256))), STAY], "bad_handshake"),
    "ends in the handshake": ([sent(b""), ["fin"]], "dropped_in_handshake"),
    "resets in the handshake": ([sent(b""), ["rst"]], "dropped_in_handshake"),
    "hangs in the handshake": ([STAY], "timeout"),
    "hangs half through it": ([sent(b"HTTP/1.1 101 Swit"), STAY], "timeout"),
    "ends without CLOSE": ([*UP, ["fin"]], "close_1006"),
    "resets": ([*UP, ["rst"]], "close_1006"),
    "closes 1000": ([*UP, ["close", 1000]], "close_1000"),
    "closes 1001": ([*UP, ["close", 1001]], "close_1001"),
    "closes 1013": ([*UP, ["close", 1013]], "close_1013"),
    "closes and leaves at once": ([*UP, sent(b"\x88\x02\x03\xe9"), ["fin"]], "close_1001"),
    "closes with code 1005": ([*UP, sent(b"\x88\x02\x03\xed"), STAY], "protocol_error"),
    "sends invalid UTF-8": ([*UP, sent(b"\x81\x02\xc3\x28"), STAY], "bad_utf8"),
    "masks its frames": ([*UP, sent(b"\x81\x81\0\0\0\0A"), STAY], "protocol_error"),
    "sets a reserved bit": ([*UP, sent(b"\xc1\x01A"), STAY], "protocol_error"),
    "announces 4 GiB": ([*UP, sent(b"\x81\x7f\0\0\0\1\0\0\0\0"), STAY], "message_too_large"),
    "a message without an end": ([*UP, ["fragments", 400, 50_000], STAY], "message_too_large"),
    "a PING of 126 bytes": ([*UP, sent(b"\x89\x7e\0\x7e" + b"x" * 126), STAY], "protocol_error"),
    "a PING in fragments": ([*UP, sent(b"\x09\x01x"), STAY], "protocol_error"),
    "closes with half a code": ([*UP, sent(b"\x88\x01\x03"), STAY], "protocol_error"),
    "headers without an end": ([["headers", 1000], STAY], "dropped_in_handshake"),
    "floods with PINGs, then closes": ([*UP, ["pings", 20_000], ["close", 1000]], "close_1000"),
    "half a frame, then silence": ([*UP, ["mute"], sent(b"\x81\x05ab"), STAY], "ping_timeout"),
    "silence": ([*UP, ["mute"], STAY], "ping_timeout"),
}


def trade(**changes: Any) -> str:
    data = {"s": "BTCUSDT", "t": 1, "p": "1", "q": "1", "T": 1, "m": True, **changes}
    return json.dumps({"stream": "btcusdt@trade", "data": data})


# Messages that cost themselves and nothing else, and what they count as.
BAD_MESSAGES = {
    "{not json": "bad_json",
    "": "bad_json",
    '{"x":' + "[" * 100_000: "too_deep",  # Python 3.13 goes down about 10,000
    '{"stream":"btcusdt@trade"}': "missing_field",
    '{"stream":"btcusdt@trade","data":{"e":"trade"}}': "missing_field",
    '{"stream":7,"data":{}}': "wrong_type",
    trade(t="x"): "wrong_type",
    trade(p="1e5"): "bad_value",
    trade(s="ETHUSDT"): "symbol_mismatch",
    trade(p="9" * 10_000): "bad_value",
    trade(t=10**400): "wrong_type",
    trade(T=9_223_372_036_854): "wrong_type",
    trade().replace('"t": 1', '"t": 1e999999999'): "wrong_type",
    trade().replace('"t": 1', '"t": NaN'): "bad_json",
    trade().replace('"1"', '"\\ud800"'): "bad_json",
    '{"hello":"world"}': "unknown_frame",
    '{"stream":"xrpusdt@trade","data":{"s":"XRPUSDT"}}': "unknown_topic",
}
FED = sum(["data", 3] in steps for steps, _ in FAULTS.values())  # of those that came up


class Outcome:
    """What the run left behind."""

    def __init__(self, streams: Any, lines: list[dict[str, Any]], totals: dict[str, Any]) -> None:
        ends = ("feed: not connected", "feed: disconnected")
        self.lines = lines
        self.lost = [line for line in lines if line["event"] in ends]
        self.totals = totals
        self.trades = streams.entries(TRADE)
        self.feed = streams.entries(FEED)


@pytest.fixture(scope="module")
def outcome(module_kit: Any, streams: Any) -> Outcome:
    """All faults one after another, then the bad messages, then good data for ever."""
    bad = [["text", message] for message in BAD_MESSAGES]
    venue = module_kit.venue(
        *(steps for steps, _ in FAULTS.values()),
        [*UP, *bad, ["data", 3], ["fin"]],
        [["serve"]],
    )
    service = module_kit.service(
        streams.url,
        {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]},
        venues={"binance": {"ws_url": venue.url}},
        reconnect={"base_s": BASE_S, "cap_s": CAP_S, "healthy_after_s": 60},
        websocket={"open_timeout_s": 0.8, "ping_interval_s": 0.3, "ping_timeout_s": 0.4},
    )
    venue.wait("request", n=len(FAULTS) + 2)
    streams.wait(TRADE, lambda e: "id" in e, streams.newest(TRADE))
    totals = service.stop()
    return Outcome(streams, service.lines, totals)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_reconnects(outcome: Outcome, fault: str) -> None:
    """Each fault costs one connection, has its name, and is followed by the next attempt."""
    number = list(FAULTS).index(fault)
    line = outcome.lost[number]

    assert line["reason"] == FAULTS[fault][1], line
    # None of these sessions was healthy: the ceiling of the delay only grows.
    assert line["failures"] == number + 1
    asked_s = 1 if fault == "answers 429" else 0  # its Retry-After
    assert asked_s <= line["retry_in_s"] <= asked_s + min(CAP_S, BASE_S * 2**number) + 0.001


def test_data_flows_again(outcome: Outcome) -> None:
    """Every trade once and in order, marked where a session ended or a message was bad."""
    ids = [int(e["id"]) for e in outcome.trades if "id" in e]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) > 3 * FED + 6

    marks = [e["type"] for e in outcome.trades if "type" in e]
    assert marks == ["gap", "resume"] * (FED + 2)
    between = [e.get("type") for e in outcome.trades[: 3 + 2 + 3]]
    assert between == [None, None, None, "gap", "resume", None, None, None]


def test_gaps_carry_the_reason(outcome: Outcome) -> None:
    """Why data may be missing, in the stream itself."""
    reasons = [e["reason"] for e in outcome.trades if e.get("type") == "gap"]

    fed = [reason for steps, reason in FAULTS.values() if ["data", 3] in steps]
    assert reasons == [*fed, "bad_message", "close_1006"]


def test_the_feeds_own_stream(outcome: Outcome) -> None:
    """Attempts that failed, connections made and lost, in order."""
    expected: list[tuple[str, str | None]] = []
    for steps, reason in FAULTS.values():
        if steps[: len(UP)] == UP:
            expected += [("connected", None), ("disconnected", reason)]
        else:
            expected.append(("connect_failed", reason))
    expected += [("connected", None), ("disconnected", "close_1006")]
    expected += [("connected", None), ("disconnected", "shutdown")]

    assert [(e["type"], e.get("reason")) for e in outcome.feed] == expected


def test_counters(outcome: Outcome) -> None:
    """Each frame counted once, each loss by its reason, each entry published."""
    totals = outcome.totals
    lost: dict[str, int] = {}
    for _, reason in FAULTS.values():
        lost[reason] = lost.get(reason, 0) + 1
    lost["close_1006"] += 1
    bad = list(BAD_MESSAGES.values())

    assert totals["disconnects"] == lost
    assert totals["connects"] == FED + 2
    assert totals["unknown_topic"] == 1
    assert totals["decode_errors"] == {r: bad.count(r) for r in bad if r != "unknown_topic"}
    trades = [e for e in outcome.trades if "id" in e]
    assert totals["data"] == len(trades)
    assert totals["control"] == FED + 2  # an ack each
    assert totals["frames"] == len(trades) + totals["control"] + len(bad)
    assert totals["events"] == totals["published"] == len(outcome.trades) + len(outcome.feed)
    assert totals["dropped"] == {}
    assert totals["unpublished"] == totals["restarts"] == 0


def test_the_log_is_readable(outcome: Outcome) -> None:
    """Nothing crashed; failures are said at the 1st, 2nd, 4th, …; bad messages have samples."""
    assert not [line for line in outcome.lines if line["level"] in ("error", "critical")]
    loud = [line["failures"] for line in outcome.lost if line["level"] == "warning"]
    assert loud == [1, 2, 4, 8, 16, 32]
    samples = [line for line in outcome.lines if line["event"] == "feed: message not used"]
    assert {line["reason"] for line in samples} == set(BAD_MESSAGES.values())
    assert all(len(line["sample"]) <= 300 for line in samples)


def test_a_venue_that_is_not_there_yet(kit: Any, own_streams: Any) -> None:
    """Refused again and again; once it is there, data flows."""
    with closed_port() as port:
        service = kit.service(
            own_streams.url,
            {"venue": "binance", "channels": ["trade"], "instruments": ["BTC-USDT"]},
            venues={"binance": {"ws_url": f"ws://127.0.0.1:{port}"}},
        )
        service.wait("feed: not connected", reason="refused", failures=4)
        kit.venue([["serve"]], port=port)
    own_streams.wait(TRADE, lambda e: "id" in e)
    totals = service.stop()

    assert totals["connects"] == 1
    assert set(totals["disconnects"]) == {"refused"}
    assert service.wait("feed: subscribed")["away_s"] > 0

"""Frames of a venue, recorded by `ingest record`, replayed, published: nothing is changed.

The frames are made by hand, in the documented form, of venues that no recording has,
or whose connections need more than an address.
"""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from msgspec import Struct

from ingest.recordings.native import format_header, format_record
from ingest.recordings.records import RestAnswer, WsMessage
from ingest.replay.library import load

T0 = 1_760_000_000_000_000_000


class Case(Struct):
    """What a venue sends, and what of it is published under which key."""

    venue: str
    feeds: list[dict[str, Any]]
    frames: list[str]
    entries: dict[str, list[dict[str, str]]]
    answers: dict[str, str] = {}
    rest_answers: int = 0  # that a client gets

    def record(self, path: Path) -> Path:
        """As a recording."""
        records = [
            *(WsMessage(T0 + n, "c", frame.encode()) for n, frame in enumerate(self.frames)),
            *(RestAnswer(T0 + 5, url, body.encode()) for url, body in self.answers.items()),
        ]
        lines = [format_header(self.venue), *map(format_record, records)]
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path


def crc(*digits: str) -> int:
    return crc32("".join(digits).encode())


KRAKEN = Case(
    "kraken",
    [
        {"channels": ["trade", "book", "candle_1m"], "instruments": ["BTC-USD"]},
        {"name": "others", "channels": ["trade", "ticker"], "instruments": ["ETH-USD"]},
    ],
    [
        '{"channel":"heartbeat"}',
        '{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":99.50,'
        '"qty":1.00000000}],"asks":[{"price":100.10,"qty":0.25000000}],"checksum":'
        f"{crc('10010', '25000000', '9950', '100000000')}}}]}}",
        # Of two symbols at once: each is a message of its own in a replay.
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":100.10,'
        '"qty":0.10000000,"ord_type":"limit","trade_id":7,"timestamp":"2025-10-09T08:53:20.1Z"},'
        '{"symbol":"ETH/USD","side":"sell","price":4.0,"qty":3.0,"ord_type":"market",'
        '"trade_id":9,"timestamp":"2025-10-09T08:53:20.2Z"}]}',
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":['
        '{"price":100.10,"qty":0.15000000}],"checksum":'
        f"{crc('10010', '15000000', '9950', '100000000')}"
        ',"timestamp":"2025-10-09T08:53:20.3Z"}]}',
        '{"channel":"ticker","type":"update","data":[{"symbol":"ETH/USD","bid":3.9,"bid_qty":1.0,'
        '"ask":4.1,"ask_qty":2.0,"last":4.0,"volume":3.0,"vwap":4.0,"low":4.0,"high":4.0,'
        '"change":0.0,"change_pct":0.00,"timestamp":"2025-10-09T08:53:20.4Z"}]}',
        '{"channel":"ohlc","type":"update","timestamp":"2025-10-09T08:53:20.5Z","data":[{"symbol":'
        '"BTC/USD","open":100.10,"high":100.10,"low":100.10,"close":100.10,"trades":1,'
        '"volume":0.10000000,"vwap":100.10,"interval_begin":"2025-10-09T08:53:00.000000000Z",'
        '"interval":1,"timestamp":"2025-10-09T08:54:00.000000Z"}]}',
    ],
    {
        "trade:BTC-USD": [
            {"ts": "1760000000100000000", "price": "100.10", "size": "0.10000000", "side": "buy"}
            | {"id": "7"}
        ],
        "trade:ETH-USD": [
            {"ts": "1760000000200000000", "price": "4.0", "size": "3.0", "side": "sell", "id": "9"}
        ],
        "book:BTC-USD": [
            {"type": "snapshot", "bids": '[["99.50","1.00000000"]]'}
            | {"asks": '[["100.10","0.25000000"]]'}
            | {"checksum": str(crc("10010", "25000000", "9950", "100000000"))},
            {"ts": "1760000000300000000", "type": "delta", "bids": "[]"}
            | {"asks": '[["100.10","0.15000000"]]'}
            | {"checksum": str(crc("10010", "15000000", "9950", "100000000"))},
        ],
        "ticker:ETH-USD": [
            {"ts": "1760000000400000000", "last": "4.0", "high": "4.0", "low": "4.0"}
            | {"volume": "3.0", "bid": "3.9", "bid_size": "1.0", "ask": "4.1", "ask_size": "2.0"}
        ],
        "candle_1m:BTC-USD": [
            {"start": "1759999980000000000", "open": "100.10", "high": "100.10", "low": "100.10"}
            | {"close": "100.10", "volume": "0.10000000", "trades": "1", "closed": "0"}
        ],
    },
)


def advanced(number: int, channel: str, *events: str) -> str:
    return (
        f'{{"channel":"{channel}","client_id":"","timestamp":"2025-10-09T08:53:20.118402113Z",'
        f'"sequence_num":{number},"events":[{",".join(events)}]}}'
    )


def advanced_trade(product: str, number: int) -> str:
    return (
        f'{{"product_id":"{product}","trade_id":"{number}","price":"122010.40","size":"0.0011",'
        '"time":"2025-10-09T08:53:19.5Z","side":"BUY"}'
    )


# Only ETH-USD's trades and BTC-USD's book are asked for: the numbers as recorded have gaps.
COINBASE_ADVANCED = Case(
    "coinbase-advanced",
    [
        {"channels": ["trade"], "instruments": ["ETH-USD"]},
        {"name": "books", "channels": ["book"], "instruments": ["BTC-USD"]},
    ],
    [
        advanced(4, "subscriptions", '{"subscriptions":{"heartbeats":["heartbeats"]}}'),
        advanced(5, "heartbeats", '{"current_time":"2025-10-09 08:53:20","heartbeat_counter":1}'),
        advanced(
            6,
            "l2_data",
            '{"type":"snapshot","product_id":"BTC-USD","updates":[{"side":"bid","event_time":'
            '"1970-01-01T00:00:00Z","price_level":"122010.39","new_quantity":"0.10"}]}',
        ),
        advanced(
            8,
            "market_trades",
            f'{{"type":"update","trades":[{advanced_trade("ETH-USD", 1)},'
            f"{advanced_trade('BTC-USD', 2)},{advanced_trade('ETH-USD', 3)}]}}",
        ),
        advanced(
            11,
            "l2_data",
            '{"type":"update","product_id":"BTC-USD","updates":[{"side":"offer","event_time":'
            '"2025-10-09T08:53:19.9Z","price_level":"122010.40","new_quantity":"1.0"}]}',
        ),
        advanced(
            12, "market_trades", f'{{"type":"update","trades":[{advanced_trade("SOL-USD", 1)}]}}'
        ),
        advanced(
            13, "market_trades", f'{{"type":"update","trades":[{advanced_trade("ETH-USD", 4)}]}}'
        ),
    ],
    {
        "trade:ETH-USD": [
            {"ts": "1759999999500000000", "price": "122010.40", "size": "0.0011", "side": "sell"}
            | {"id": number}
            for number in ("1", "3", "4")
        ],
        "book:BTC-USD": [
            {"ts": "1760000000118402113", "type": "snapshot", "bids": '[["122010.39","0.10"]]'}
            | {"asks": "[]"},
            {"ts": "1760000000118402113", "type": "delta", "bids": "[]"}
            | {"asks": '[["122010.40","1.0"]]'},
        ],
    },
)
BINANCE_COINM = Case(
    "binance-coinm",
    [{"channels": ["trade", "mark", "book"], "instruments": ["BTC-USD-PERP"]}],
    [
        '{"stream":"btcusd_perp@trade","data":{"e":"trade","E":1760000000051,"T":1760000000049,'
        '"s":"BTCUSD_PERP","t":1123456789,"p":"122010.4","q":"17","X":"MARKET","m":true}}',
        '{"stream":"btcusd_perp@depth@100ms","data":{"e":"depthUpdate","E":1760000000101,'
        '"T":1760000000095,"s":"BTCUSD_PERP","ps":"BTCUSD","U":21,"u":29,"pu":19,'
        '"b":[["122010.4","5310"]],"a":[]}}',
        '{"stream":"btcusd_perp@markPrice@1s","data":{"e":"markPriceUpdate","E":1760000000001,'
        '"s":"BTCUSD_PERP","p":"122011.70000000","P":"122000.1","r":"-0.00001250",'
        '"T":1760025600000,"i":"122034.27891304"}}',
        '{"stream":"btcusd_perp@depth@100ms","data":{"e":"depthUpdate","E":1760000000201,'
        '"T":1760000000195,"s":"BTCUSD_PERP","ps":"BTCUSD","U":31,"u":39,"pu":29,'
        '"b":[],"a":[["122010.5","80"]]}}',
    ],
    {
        "trade:BTC-USD-PERP": [
            {"ts": "1760000000049000000", "price": "122010.4", "size": "17", "side": "sell"}
            | {"id": "1123456789"}
        ],
        "mark:BTC-USD-PERP": [
            {"ts": "1760000000001000000", "mark": "122011.70000000", "index": "122034.27891304"}
            | {"funding_rate": "-0.00001250", "next_funding": "1760025600000000000"}
        ],
    },
    answers={
        "https://dapi.binance.com/dapi/v1/depth?symbol=BTCUSD_PERP&limit=1000": (
            '{"lastUpdateId":20,"E":1760000000090,"T":1760000000085,"symbol":"BTCUSD_PERP",'
            '"pair":"BTCUSD","bids":[["122010.3","1"]],"asks":[["122010.6","2"]]}'
        )
    },
    rest_answers=1,
)
KUCOIN = Case(
    "kucoin",
    [{"channels": ["trade", "bbo"], "instruments": ["NEO-KCS"]}],
    [
        '{"id":"1","type":"welcome"}',
        '{"type":"message","topic":"/market/match:NEO-KCS","subject":"trade.l3match","data":{'
        '"symbol":"NEO-KCS","sequence":"5","side":"buy","size":"0.040023","price":"7.646",'
        '"takerOrderId":"a","time":"1619136134041226018","type":"match","makerOrderId":"b",'
        '"tradeId":"60820e86"}}',
        '{"type":"message","topic":"/market/ticker:NEO-KCS","subject":"trade.ticker","data":{'
        '"sequence":"6","bestAsk":"7.70","size":"4","bestBidSize":"2.50","price":"7.646",'
        '"time":1619136134100,"bestAskSize":"1.0","bestBid":"7.60"}}',
    ],
    {
        "trade:NEO-KCS": [
            {"ts": "1619136134041226018", "price": "7.646", "size": "0.040023", "side": "buy"}
            | {"id": "60820e86"}
        ],
        "bbo:NEO-KCS": [
            {"ts": "1619136134100000000", "bid": "7.60", "bid_size": "2.50", "ask": "7.70"}
            | {"ask_size": "1.0", "seq": "6"}
        ],
    },
    rest_answers=1,  # the ticket
)
CASES = (KRAKEN, COINBASE_ADVANCED, BINANCE_COINM, KUCOIN)


def served(kit: Any, case: Case, path: Path) -> tuple[Any, dict[str, Any]]:
    """A replay, and a config to go there."""
    replay = kit.replay(str(path), "--speed", "max")
    rest = replay.lines[0]["rest"][case.venue]
    return replay, {
        "feeds": [{"venue": case.venue, **feed} for feed in case.feeds],
        "venues": {case.venue: {"ws_url": replay.urls[case.venue], "rest_url": rest}},
    }


def over(replay: Any, case: Case) -> None:
    """Wait until all that is asked for was subscribed, sent, and answered."""
    asked = sum(len(feed["channels"]) * len(feed["instruments"]) for feed in case.feeds)

    def is_over(status: dict[str, Any]) -> bool:
        topics = status["topics"][case.venue].items()
        heard = [name for name, topic in topics if topic["subscribers"] and name != "heartbeats"]
        answered = status["rest_answers"] >= case.rest_answers
        return len(heard) == asked and status["finished"] and answered

    replay.until(is_over)


def payloads(venue: str, path: Path) -> dict[str, list[bytes]]:
    """Every message by topic, its number within a connection set aside."""
    tracks = load([str(path)]).venues[venue].tracks
    return {
        topic: [re.sub(rb'"sequence_num":\d+', b"", payload) for payload in track.payloads]
        for topic, track in tracks.items()
        if topic != "heartbeats"  # which every connection gets
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.venue)
def test_recorded_and_replayed(kit: Any, own_streams: Any, tmp_path: Path, case: Case) -> None:
    """Subscribed, answered in the venue's form, sent, recorded; and once more, published."""
    source = case.record(tmp_path / "source.jsonl")
    replay, config = served(kit, case, source)
    path = tmp_path / "record.yaml"
    path.write_text(json.dumps(config))
    out = tmp_path / "out"
    recorder = kit.program(
        *("-m", "ingest", "record", str(path), "--out", str(out)),
        output="stdout",
        stderr=subprocess.DEVNULL,
    )
    over(replay, case)
    recorder.signal(signal.SIGTERM)
    assert recorder.exit_status() == 0, recorder.text()
    [summary] = recorder.lines
    assert summary["disconnects"] == summary["decode_errors"] == {}
    sent, copy = payloads(case.venue, source), payloads(case.venue, out)
    assert copy == {topic: sent[topic] for topic in copy}
    assert len(copy) >= len(case.entries)

    again, config = served(kit, case, out)
    service = kit.service(own_streams.url, *config["feeds"], venues=config["venues"])
    over(again, case)
    if case.answers:
        key = f"md:{case.venue}:book:BTC-USD-PERP"
        own_streams.wait(key, lambda entry: entry["type"] == "snapshot")
    totals = service.stop()
    assert totals["decode_errors"] == totals["book_gaps"] == totals["disconnects"] == {}
    assert totals["unknown_topic"] == 0
    for name, wanted in case.entries.items():
        found = own_streams.entries(f"md:{case.venue}:{name}")
        assert [{k: v for k, v in entry.items() if k != "rx"} for entry in found] == wanted


def test_a_connection_is_made_with_the_ticket(kit: Any, own_streams: Any, tmp_path: Path) -> None:
    """KuCoin's: asked for first, and shown as the connection is opened."""
    replay, config = served(kit, KUCOIN, KUCOIN.record(tmp_path / "source.jsonl"))
    kit.service(own_streams.url, *config["feeds"], venues=config["venues"])
    over(replay, KUCOIN)

    [opened] = [line for line in replay.journal() if line["event"] == "open"]
    assert opened["path"].endswith("?token=replay")

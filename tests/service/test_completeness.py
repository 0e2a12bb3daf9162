"""Everything recorded is in Redis exactly once, in order, to the character.

What is expected is read from the recordings with `json` alone: no decoder and no
naming rule of the product's own has a say in it.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingest.recordings.bundled import bundled_recordings

Wire = dict[str, Any]
Entry = dict[str, Any]
MS = 1_000_000

_LINE = re.compile(rb"\d+\.\d+: |\d{19} ")  # a frame received; cryptofeed's, hftbacktest's form


def frames(venue: str) -> Iterator[Wire]:
    """Every frame recorded of a venue that carries data, in the order of the recordings."""
    for path in sorted((bundled_recordings() / venue).rglob("*.gz")):
        with gzip.open(path) as file:
            for line in file:
                start = _LINE.match(line)
                frame = json.loads(line[start.end() :]) if start else {}
                if "data" in frame:
                    yield frame


def binance_instruments() -> dict[str, str]:
    """Symbol to BASE-QUOTE, as the venue itself said when the recordings were made."""
    path = bundled_recordings() / "binance/cf-20210404/BINANCE.symbols.0.gz"
    body = gzip.decompress(path.read_bytes()).split(b": ", 1)[1]
    return {s["symbol"]: f"{s['baseAsset']}-{s['quoteAsset']}" for s in json.loads(body)["symbols"]}


def agg_trade(d: Wire) -> Entry:
    ids = {"id": str(d["a"]), "first_id": str(d["f"]), "last_id": str(d["l"])}
    side = "sell" if d["m"] else "buy"
    return {"ts": d["T"] * MS, "price": d["p"], "size": d["q"], "side": side, **ids}


def trade(d: Wire) -> Entry:
    side = "sell" if d["m"] else "buy"
    return {"ts": d["T"] * MS, "price": d["p"], "size": d["q"], "side": side, "id": str(d["t"])}


def bbo(d: Wire) -> Entry:
    return {"bid": d["b"], "bid_size": d["B"], "ask": d["a"], "ask_size": d["A"], "seq": d["u"]}


def depth(d: Wire) -> Entry:
    sequence = {"seq": d["u"], "first_seq": d["U"]}
    return {"ts": d["E"] * MS, "type": "delta", "bids": d["b"], "asks": d["a"], **sequence}


def kline(d: Wire) -> Entry:
    k = d["k"]
    times = {"ts": d["E"] * MS, "start": k["t"] * MS, "end": k["T"] * MS}
    prices = {"open": k["o"], "high": k["h"], "low": k["l"], "close": k["c"]}
    sizes = {"volume": k["v"], "quote_volume": k["q"], "trades": k["n"], "closed": int(k["x"])}
    return {**times, **prices, **sizes}


BINANCE: dict[str, tuple[str, Callable[[Wire], Entry]]] = {
    "aggTrade": ("agg_trade", agg_trade),
    "trade": ("trade", trade),
    "bookTicker": ("bbo", bbo),
    "depth@100ms": ("book", depth),
    "kline_1m": ("candle_1m", kline),
}


def okx_trade(d: Wire, _: str) -> Entry:
    who = {"side": d["side"], "id": d["tradeId"]}
    return {"ts": int(d["ts"]) * MS, "price": d["px"], "size": d["sz"], **who}


def okx_book(d: Wire, action: str) -> Entry:
    sides = {side: [level[:2] for level in d[side]] for side in ("bids", "asks")}
    kind = {"snapshot": "snapshot", "update": "delta"}[action]
    return {"ts": int(d["ts"]) * MS, "type": kind, **sides, "checksum": d["checksum"]}


def okx_ticker(d: Wire, _: str) -> Entry:
    named = {
        **{"last": "last", "open": "open24h", "high": "high24h", "low": "low24h"},
        **{"volume": "vol24h", "bid": "bidPx", "bid_size": "bidSz"},
        **{"ask": "askPx", "ask_size": "askSz"},
    }
    if d["instType"] == "SPOT":
        named["quote_volume"] = "volCcy24h"
    sent = {ours: d[theirs] for ours, theirs in named.items() if d[theirs]}
    return {"ts": int(d["ts"]) * MS, **sent}


OKX: dict[str, tuple[str, Callable[[Wire, str], Entry]]] = {
    "trades": ("trade", okx_trade),
    "books-l2-tbt": ("book_l2_tbt", okx_book),
    "tickers": ("ticker", okx_ticker),
}


class Recording:
    """`streams`: stream key to its entries, receive times aside. `frames`: how many."""

    def __init__(self) -> None:
        self.streams: defaultdict[str, list[Entry]] = defaultdict(list)
        self.frames = 0
        instruments = binance_instruments()
        for frame in frames("binance"):
            self.frames += 1
            symbol, _, kind = frame["stream"].partition("@")
            channel, convert = BINANCE[kind]
            key = f"md:binance:{channel}:{instruments[symbol.upper()]}"
            entry = convert(frame["data"])
            if channel == "book":
                self.streams[key] += jump(self.streams[key], entry)
            self.streams[key].append(entry)
        for frame in frames("okx"):
            self.frames += 1
            channel, okx_convert = OKX[frame["arg"]["channel"]]
            key = f"md:okx:{channel}:{frame['arg']['instId'].replace('-SWAP', '-PERP')}"
            self.streams[key] += [okx_convert(d, frame.get("action", "")) for d in frame["data"]]


def jump(before: list[Entry], entry: Entry) -> list[Entry]:
    """Where one recording of a book ends and another begins, updates are missing: the marker."""
    last = before[-1]["seq"] if before else None
    if last is None or entry["first_seq"] == last + 1:
        return []
    missing = {"from_seq": last + 1, "to_seq": entry["first_seq"] - 1}
    return [{"type": "gap", "reason": "sequence", **missing}]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording()


def as_read(fields: dict[str, str]) -> Entry:
    """An entry with its numbers and lists as such, without its receive time."""
    parsed: Entry = dict(fields)
    assert int(parsed.pop("rx")) > 1_700_000_000 * 10**9
    for name in (
        "from_seq",
        "to_seq",
        "ts",
        "seq",
        "first_seq",
        "start",
        "end",
        "trades",
        "closed",
        "checksum",
    ):
        if name in parsed:
            parsed[name] = int(parsed[name])
    for name in ("bids", "asks"):
        if name in parsed:
            parsed[name] = json.loads(parsed[name])
    return parsed


@pytest.mark.parametrize("speed", ["max", "300"])
def test_everything_recorded_is_in_redis(
    kit: Any, own_streams: Any, recording: Recording, speed: str
) -> None:
    """All topics of both venues, over eight connections and two workers."""
    instruments: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for key in recording.streams:
        _, venue, channel, instrument = key.split(":")
        instruments[venue, channel].append(instrument)
    replay = kit.replay("--speed", speed)
    service = kit.service(
        own_streams.url,
        *(
            {"venue": venue, "name": f"{venue}-{channel}", "channels": [channel], "instruments": i}
            for (venue, channel), i in instruments.items()
        ),
        venues={venue: {"ws_url": url} for venue, url in replay.urls.items()},
        workers=2,
        log={"level": "info"},
    )
    service.wait("feed: subscribed", times=len(instruments))
    status = replay.until(lambda status: status["finished"])
    totals = service.stop()

    assert own_streams.keys() == {
        *recording.streams,
        *(f"md:{venue}:feed:{venue}-{channel}" for venue, channel in instruments),
    }
    for key, entries in recording.streams.items():
        assert [as_read(fields) for fields in own_streams.entries(key)] == entries, key
    assert totals["data"] == status["deliveries"] == recording.frames
    assert totals["frames"] == totals["data"] + totals["control"]
    assert totals["disconnects"] == totals["decode_errors"] == totals["dropped"] == {}
    assert replay.status()["closes"] == {"1001": len(instruments)}

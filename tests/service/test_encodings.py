"""`encoding: cryptofeed` and `nautilus`: a recording arrives under their keys, in their form."""

import json
import re
from typing import Any

import msgspec
import pytest
import redis

from tests.service.test_completeness import Entry, Recording

CHANNELS = {"binance": ["agg_trade", "bbo"], "okx": ["trade", "book_l2_tbt", "ticker"]}


def cryptofeed(channel: str, fields: dict[bytes, bytes]) -> Entry:
    """What a reader of cryptofeed's streams has, in our words."""
    text = {name.decode(): value.decode() for name, value in fields.items()}
    assert float(text["receipt_timestamp"]) > 1_700_000_000
    ns = round(float(text["timestamp"]) * 1000) * 10**6
    match channel:
        case "agg_trade" | "trade":
            names = {"price": "price", "size": "amount", "side": "side", "id": "id"}
            return {"ts": ns, **{ours: text[theirs] for ours, theirs in names.items()}}
        case "bbo":
            return {"bid": text["bid"], "ask": text["ask"]}
        case _:
            kind = "delta" if "delta" in text else "book"
            book = json.loads(text[kind], parse_float=str, parse_int=str)
            bids, asks = (
                list(map(list, s.items())) if isinstance(s, dict) else s for s in book.values()
            )
            type_ = {"delta": "delta", "book": "snapshot"}[kind]
            return {"ts": ns, "type": type_, "bids": bids, "asks": asks}


def nautilus(channel: str, fields: dict[bytes, bytes]) -> Entry:
    """What a reader of nautilus_trader's streams has, in our words."""
    data = msgspec.msgpack.decode(fields[b"payload"])
    match channel:
        case "agg_trade" | "trade":
            side = {"BUYER": "buy", "SELLER": "sell"}[data["aggressor_side"]]
            ts = int(data["ts_event"])
            return {"ts": ts, **{n: data[n] for n in ("price", "size")}, "side": side}
        case "bbo":
            return {"bid": data["bid_price"], "ask": data["ask_price"]}
        case _:
            sides: dict[str, list[list[str]]] = {"BUY": [], "SELL": [], "NO_ORDER_SIDE": []}
            for delta in data["deltas"]:
                order = delta["order"]
                sides[order["side"]].append([order["price"], order["size"]])
            first = data["deltas"][0]
            type_ = "snapshot" if first["action"] == "CLEAR" else "delta"
            bids, asks = sides["BUY"], sides["SELL"]
            return {"ts": first["ts_event"], "type": type_, "bids": bids, "asks": asks}


def cryptofeed_name(instrument: str) -> str:
    """`BTC-USD-210924-66000-C` is `BTC-USD-66000-21U24-call`."""
    found = re.fullmatch(r"(.+)-(\d\d)(\d\d)(\d\d)(?:-([\d.]+)-([CP]))?", instrument)
    if not found:
        return instrument
    base, year, month, day, strike, kind = found.groups()
    expiry = f"{year}{'FGHJKMNQUVXZ'[int(month) - 1]}{day}"
    if strike is None:
        return f"{base}-{expiry}"
    return f"{base}-{strike}-{expiry}-{'call' if kind == 'C' else 'put'}"


def key_of(encoding: str, venue: str, channel: str, instrument: str) -> str:
    kind = {
        "agg_trade": ("trades", "trades"),
        "trade": ("trades", "trades"),
        "bbo": ("ticker", "quotes"),
        "book_l2_tbt": ("book", "book.deltas"),
    }[channel]
    if encoding == "cryptofeed":
        return f"{kind[0]}-{venue.upper()}-{cryptofeed_name(instrument)}"
    symbol = instrument.replace("-PERP", "-SWAP")
    if venue == "binance":
        symbol = symbol.replace("-", "")
    return f"stream:data.{kind[1]}.{venue.upper()}.{symbol}"


@pytest.mark.parametrize(("encoding", "read"), [("cryptofeed", cryptofeed), ("nautilus", nautilus)])
def test_a_recording_in_another_systems_form(
    kit: Any, own_streams: Any, encoding: str, read: Any
) -> None:
    """Each entry under their key, to the venue's character; the rest beside it, under ours."""
    recording = {
        tuple(key.split(":")[1:]): entries
        for key, entries in Recording().streams.items()
        if key.split(":")[2] in CHANNELS[key.split(":")[1]]
    }
    replay = kit.replay("--speed", "max")
    feeds = [
        {
            **{"venue": venue, "name": f"{venue}-{channel}", "channels": [channel]},
            "instruments": [i for v, c, i in recording if (v, c) == (venue, channel)],
        }
        for venue, channels in CHANNELS.items()
        for channel in channels
    ]
    service = kit.service(
        own_streams.url,
        *feeds,
        venues={venue: {"ws_url": url} for venue, url in replay.urls.items()},
        redis={"encoding": encoding},
        log={"level": "info"},
    )
    service.wait("feed: subscribed", times=len(feeds))
    replay.until(lambda status: status["finished"])
    service.stop()

    client = redis.Redis.from_url(own_streams.url)
    beside = {f"md:{f['venue']}:feed:{f['name']}" for f in feeds}
    expected = set(beside)
    for (venue, channel, instrument), entries in recording.items():
        own_key = f"md:{venue}:{channel}:{instrument}"
        if channel == "ticker":  # theirs is the best bid and ask
            expected.add(own_key)
            assert len(own_streams.data(own_key)) == len(entries)
            continue
        key = key_of(encoding, venue, channel, instrument)
        expected.add(key)
        found = [read(channel, fields) for _, fields in client.xrange(key)]
        if encoding == "nautilus" and channel == "book_l2_tbt":
            empty = [e for e in entries if not (e["bids"] or e["asks"])]
            entries = [e for e in entries if e["bids"] or e["asks"]]
            expected |= {own_key} if empty else set()
            assert len(own_streams.entries(own_key)) == len(empty)
        assert found == [{n: e[n] for n in f} for e, f in zip(entries, found, strict=True)], key
    client.close()
    assert own_streams.keys() == expected


def test_a_restart_is_marked_beside(kit: Any, own_streams: Any) -> None:
    """Their stream goes on as if nothing had been; under our key stands the reset."""
    for _ in range(2):
        replay = kit.replay("--speed", "max")
        service = kit.service(
            own_streams.url,
            {"venue": "binance", "channels": ["agg_trade"], "instruments": ["BTC-USDT"]},
            venues={"binance": {"ws_url": replay.urls["binance"]}},
            redis={"encoding": "cryptofeed"},
        )
        service.wait("feed: subscribed")
        replay.until(lambda status: status["finished"])
        service.stop()

    markers = own_streams.entries("md:binance:agg_trade:BTC-USDT")
    assert [(m["type"], m["reason"]) for m in markers] == [("reset", "started")]
    assert all("price" in entry for entry in own_streams.entries("trades-BINANCE-BTC-USDT"))

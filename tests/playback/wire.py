"""What each recorded frame must become, read with `json` alone, venue by venue.

Nothing here uses the product's decoders or naming rules. A number of the wire keeps
its characters: `json` hands them over as text.
"""

import json
import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from typing import Any
from zlib import crc32

from tests.playback.book import PlainBook

Wire = Any
Entry = dict[str, Any]
# Channel, instrument, entry; None: a frame of that stream that says nothing new; a text:
# that the product passes over for this reason.
Events = list[tuple[str, str, Entry | str | None]]
# Events of a data frame; or why it is none: beginning with "control" where the replay
# makes such frames itself instead of sending the recorded one, with "unread" where the
# rules below do not know the frame. Anything else is the product's reason to refuse it.
Read = Callable[[Wire], Events | str]

# fmt: off
QUOTES = (
    "BUSD", "USDT", "USDC", "HUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "TRY", "RUB", "EUR",
    "GBP", "JPY", "PAX", "BCH", "LTC", "DAI", "UST", "FDUSD", "EURC", "EURI", "BRL", "AUD", "CAD",
    "CHF", "KCS", "MXN", "PLN", "UAH", "ZAR", "DOGE", "DOT", "SOL", "TRX", "XRP", "HT",
)
# fmt: on
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


@dataclass
class Rules:
    """How a venue's recording is read."""

    venue: str
    new: Callable[[], Read]
    # URL and body of a recorded REST answer: instrument, bids, asks, number; or None.
    snapshot: Callable[[str, Wire], tuple[str, list[Any], list[Any], int] | None] | None = None
    book: str = "book"  # the channel that has it
    depth: int | None = None  # that readers keep
    splits: bool = False  # a message may be of several streams, and is replayed as several
    # The venue's checksum of a book, as it is in `checksum` of an entry.
    checksum: Callable[[PlainBook], str] | None = None
    # Further channels that the replay serves from the same messages.
    copies: dict[str, str] = field(default_factory=dict)


def load(text: bytes) -> Wire:
    return json.loads(text, parse_float=str, parse_int=str)


def ms(value: str) -> str:
    return f"{value}000000"


def split(symbol: str, quotes: tuple[str, ...] = QUOTES) -> str:
    symbol = symbol.upper()
    found = [quote for quote in quotes if symbol.endswith(quote) and symbol != quote]
    assert found, f"{symbol}: what it is quoted in is not among QUOTES"
    quote = found[0]
    return f"{symbol.removesuffix(quote)}-{quote}"


def iso(text: str) -> str:
    """RFC 3339 to ns, every digit kept."""
    head, _, part = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(head).replace(tzinfo=UTC).timestamp())
    return f"{seconds}{part.ljust(9, '0')}"


def sent(**fields: Any) -> Entry:
    return {name: value for name, value in fields.items() if value not in (None, "")}


def two(levels: Wire) -> list[list[str]]:
    return [[level[0], level[1]] for level in levels]


# -- Binance ------------------------------------------------------------------


def binance_name(symbol: str, *, futures: bool) -> str:
    pair, _, term = symbol.upper().partition("_")  # BTCUSDT, BTCUSDT_251226, BTCUSD_PERP
    return f"{split(pair)}-{term or 'PERP'}" if futures else split(symbol)


def binance(*, futures: bool, inverse: bool = False) -> Callable[[], Read]:
    """*inverse*: `q` is the volume in base units, and that in quote units is not sent."""

    def statistics(d: Wire) -> Entry:
        day = {"ts": ms(d["E"]), "last": d["c"], "open": d["o"], "high": d["h"], "low": d["l"]}
        day |= {"volume": d["v"], "trades": d["n"]} | ({} if inverse else {"quote_volume": d["q"]})
        best = {"bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"}
        return day | {ours: d[theirs] for ours, theirs in best.items() if theirs in d}

    def mark(name: str, d: Wire) -> Events:
        rate = d.get("r", "")  # dated futures have none
        due = {"next_funding": ms(d["T"])} if d.get("T", "0") != "0" else {}
        funding = {"ts": ms(d["E"]), "rate": rate, **due} if rate else None
        return [
            ("mark", name, sent(ts=ms(d["E"]), mark=d["p"], index=d.get("i"),
                                funding_rate=rate, **due)),
            ("funding", name, funding),
        ]  # fmt: skip

    def read(frame: Wire) -> Events | str:
        if "stream" not in frame:
            return "control: answer"
        symbol, _, kind = frame["stream"].partition("@")
        name, d = binance_name(symbol, futures=futures), frame["data"]
        if kind == "ticker":
            return [("ticker", name, statistics(d))]
        if kind == "markPrice@1s":
            return mark(name, d)
        if kind == "forceOrder":
            o = d["o"]
            side = {"BUY": "buy", "SELL": "sell"}[o["S"]]
            return [("liquidation", name, {"ts": ms(o["T"]), "price": o["p"], "size": o["q"],
                                           "side": side})]  # fmt: skip
        if kind == "bookTicker":
            best = {"bid": d["b"], "bid_size": d["B"], "ask": d["a"], "ask_size": d["A"]}
            return [("bbo", name, {**({"ts": ms(d["E"])} if futures else {}), **best,
                                   "seq": d["u"]})]  # fmt: skip
        if kind in ("trade", "aggTrade"):
            trade = {"ts": ms(d["T"]), "price": d["p"], "size": d["q"]}
            trade["side"] = "sell" if d["m"] else "buy"
            if kind == "aggTrade":
                trade |= {"id": d["a"], "first_id": d["f"], "last_id": d["l"]}
                return [("agg_trade", name, trade)]
            if not d["p"].strip("0."):
                return [("trade", name, None)]  # an id spent on something else than a trade
            return [("trade", name, {**trade, "id": d["t"]})]
        if kind in ("depth@100ms", "depth@0ms"):
            book = {"ts": ms(d["E"]), "type": "delta", "bids": d["b"], "asks": d["a"]}
            book |= {"seq": d["u"], "first_seq": d["U"]}
            if futures:
                book["prev_seq"] = d["pu"]
            return [("book", name, book)]
        if not kind.startswith("kline_"):
            return f"unread: {kind}"
        k = d["k"]
        bar = {"ts": ms(d["E"]), "start": ms(k["t"]), "end": ms(k["T"])}
        bar |= {"open": k["o"], "high": k["h"], "low": k["l"], "close": k["c"]}
        bar |= {"volume": k["v"], "trades": k["n"]}
        if not inverse:
            bar["quote_volume"] = k["q"]
        return [(f"candle_{k['i']}", name, {**bar, "closed": "1" if k["x"] else "0"})]

    return lambda: read


def binance_snapshot(*, futures: bool) -> Callable[[str, Wire], Any]:
    def read(url: str, body: Wire) -> Any:
        found = re.search(r"depth\?symbol=([A-Z0-9_]+)", url)
        if not found:
            return None
        name = binance_name(found[1], futures=futures)
        return name, body["bids"], body["asks"], int(body["lastUpdateId"])

    return read


# -- OKX ------------------------------------------------------------------------


def okx() -> Read:
    books = {"books": "book", "books-l2-tbt": "book_l2_tbt"}

    def read(frame: Wire) -> Events | str:
        if "event" in frame:
            return "control: " + frame["event"]
        channel, name = frame["arg"]["channel"], frame["arg"].get("instId", "")
        if channel not in ("trades", "tickers", "bbo-tbt", *books):
            return f"unread: {channel}"
        name = name.replace("-SWAP", "-PERP")
        events: Events = []
        for d in frame["data"]:
            ts = {"ts": ms(d["ts"])}
            if channel == "trades":
                trade = {"price": d["px"], "size": d["sz"], "side": d["side"], "id": d["tradeId"]}
                events.append(("trade", name, ts | trade))
            elif channel == "tickers":
                if not d["last"]:
                    events.append(("ticker", name, None))
                    continue
                events.append(("ticker", name, ts | sent(
                    last=d["last"], open=d["open24h"], high=d["high24h"], low=d["low24h"],
                    volume=d["vol24h"], bid=d["bidPx"], bid_size=d["bidSz"], ask=d["askPx"],
                    ask_size=d["askSz"],
                    quote_volume=d["volCcy24h"] if d["instType"] == "SPOT" else "",
                )))  # fmt: skip
            elif channel == "bbo-tbt":
                (bid, bid_size), (ask, ask_size) = (
                    d[side][0][:2] if d[side] else ("", "") for side in ("bids", "asks")
                )
                best = sent(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)
                events.append(("bbo", name, {**ts, **best, **sent(seq=d.get("seqId"))}))
            else:
                kind = {"snapshot": "snapshot", "update": "delta"}[frame["action"]]
                book = {"type": kind, "bids": two(d["bids"]), "asks": two(d["asks"])}
                before = d.get("prevSeqId", "-1")
                extra = sent(seq=d.get("seqId"), prev_seq=before if before != "-1" else "")
                if d["checksum"] != "0":
                    extra["checksum"] = d["checksum"]
                events.append((books[channel], name, ts | book | extra))
        return events

    return read


def okx_checksum(book: PlainBook) -> str:
    bids, asks = (side[:25] for side in book.levels())
    levels = (level for pair in zip_longest(bids, asks, fillvalue=()) for level in pair if level)
    number = crc32(":".join(text for level in levels for text in level).encode())
    return str(number - 2**32 if number >= 2**31 else number)


# -- Kraken v1 --------------------------------------------------------------------


def kraken() -> Read:
    old = {"XBT": "BTC", "XDG": "DOGE"}

    def ns(text: str) -> str:
        whole, _, part = text.partition(".")
        return whole + part.ljust(9, "0")

    def read(frame: Wire) -> Events | str:
        if isinstance(frame, dict):
            return "control: " + frame["event"]
        channel, pair = frame[-2:]
        name = "-".join(old.get(asset, asset) for asset in pair.split("/"))
        if channel == "trade":
            return [
                ("trade", name, {"ts": ns(t), "price": p, "size": q,
                                 "side": {"b": "buy", "s": "sell"}[s]})
                for p, q, t, s, *_ in frame[1]
            ]  # fmt: skip
        if channel not in ("ticker", "book-1000"):
            return f"unread: {channel}"
        if channel == "ticker":
            d = frame[1]
            return [("ticker", name, {
                "last": d["c"][0], "open": d["o"][1], "high": d["h"][1], "low": d["l"][1],
                "volume": d["v"][1], "bid": d["b"][0], "bid_size": d["b"][2], "ask": d["a"][0],
                "ask_size": d["a"][2], "trades": d["t"][1],
            })]  # fmt: skip
        parts = frame[1:-2]
        if "as" in parts[0]:
            [d] = parts
            return [("book", name, {"type": "snapshot", "bids": two(d["bs"]),
                                    "asks": two(d["as"])})]  # fmt: skip
        bids = [row for part in parts for row in part.get("b", ())]
        asks = [row for part in parts for row in part.get("a", ())]
        newest = max((row[2] for row in bids + asks), key=lambda text: int(ns(text)))
        checksums = [part["c"] for part in parts if "c" in part]  # since 2020
        checksum = {"checksum": checksums[0]} if checksums else {}
        return [("book", name, {"ts": ns(newest), "type": "delta", "bids": two(bids),
                                "asks": two(asks), **checksum})]  # fmt: skip

    return read


def kraken_checksum(book: PlainBook) -> str:
    bids, asks = book.levels()
    digits = (
        text.replace(".", "").lstrip("0") for level in asks[:10] + bids[:10] for text in level
    )
    return str(crc32("".join(digits).encode()))


KRAKEN_V1 = Rules("kraken-v1", kraken, depth=1000, checksum=kraken_checksum)

# -- Coinbase ---------------------------------------------------------------------


def coinbase() -> Read:
    def read(frame: Wire) -> Events | str:
        kind, name = frame["type"], frame.get("product_id", "")
        if kind == "subscriptions":
            return "control: subscriptions"
        if kind == "last_match":
            return [("trade", name, "last_match")]
        if kind == "match":
            taker = {"buy": "sell", "sell": "buy"}[frame["side"]]
            return [("trade", name, {"ts": iso(frame["time"]), "price": frame["price"],
                                     "size": frame["size"], "side": taker,
                                     "id": frame["trade_id"]})]  # fmt: skip
        if kind == "ticker":
            return [("ticker", name, sent(
                ts=iso(frame["time"]), last=frame["price"], open=frame["open_24h"],
                high=frame["high_24h"], low=frame["low_24h"], volume=frame["volume_24h"],
                bid=frame["best_bid"], ask=frame["best_ask"],
                bid_size=frame.get("best_bid_size"), ask_size=frame.get("best_ask_size"),
            ))]  # fmt: skip
        if kind == "snapshot":
            return [("book", name, {"type": "snapshot", "bids": two(frame["bids"]),
                                    "asks": two(frame["asks"])})]  # fmt: skip
        if kind != "l2update":
            return f"unread: {kind}"
        sides = {side: [[p, s] for way, p, s in frame["changes"] if way == side]
                 for side in ("buy", "sell")}  # fmt: skip
        at = frame.get("time", "0001")
        ts = {"ts": iso(at)} if not at.startswith("0001") else {}
        return [("book", name, {**ts, "type": "delta", "bids": sides["buy"],
                                "asks": sides["sell"]})]  # fmt: skip

    return read


# -- Bitstamp ---------------------------------------------------------------------


def bitstamp() -> Read:
    def name_of(pair: str) -> str:
        base, perpetual, _ = pair.partition("-perp")
        return split(base) + perpetual.upper()

    def read(frame: Wire) -> Events | str:
        if frame["event"].startswith("bts:"):
            return "control: " + frame["event"]
        d, channel = frame["data"], frame["channel"]
        kind, _, pair = channel.rpartition("_")
        if kind not in ("live_trades", "diff_order_book"):
            return f"unread: {kind}"
        us = d["microtimestamp"]
        if kind == "live_trades":
            side = {"0": "buy", "1": "sell"}[d["type"]]
            return [("trade", name_of(pair), {
                "ts": f"{us}000", "price": d["price_str"], "size": d["amount_str"], "side": side,
                "id": d["id"]})]  # fmt: skip
        return [("book", name_of(pair), {
            "ts": f"{us}000", "type": "delta", "bids": d["bids"], "asks": d["asks"],
            "seq": us})]  # fmt: skip

    return read


def bitstamp_snapshot(url: str, body: Wire) -> Any:
    found = re.search(r"/order_book/(\w+)", url)
    return found and (split(found[1]), body["bids"], body["asks"], int(body["microtimestamp"]))


# -- KuCoin -----------------------------------------------------------------------

_RENAMED = {"BCHSV": "BSV"}


def _kucoin_name(symbol: str) -> str:
    base, _, quote = symbol.partition("-")
    return f"{_RENAMED.get(base, base)}-{quote}"


def kucoin() -> Read:
    bars: dict[str, Entry] = {}

    def read(frame: Wire) -> Events | str:
        if frame["type"] != "message":
            return "control: " + frame["type"]
        topic, _, symbol = frame["topic"].partition(":")
        symbol, d = symbol.partition("_")[0], frame["data"]
        name = _kucoin_name(symbol)
        if topic == "/market/match":
            return [("trade", name, {"ts": d["time"], "price": d["price"], "size": d["size"],
                                     "side": d["side"], "id": d["tradeId"]})]  # fmt: skip
        if topic == "/market/ticker":
            best = {"bid": d["bestBid"], "bid_size": d["bestBidSize"], "ask": d["bestAsk"],
                    "ask_size": d["bestAskSize"]}  # fmt: skip
            return [("bbo", name, {"ts": ms(d["time"]), **best, "seq": d["sequence"]})]
        if topic == "/market/level2":
            changes = {side: [[p, s] for p, s, _ in d["changes"][side] if p.strip("0.")]
                       for side in ("bids", "asks")}  # fmt: skip
            ts = {"ts": ms(d["time"])} if "time" in d else {}  # of newer servers
            return [("book", name, {**ts, "type": "delta", **changes, "seq": d["sequenceEnd"],
                                    "first_seq": d["sequenceStart"]})]  # fmt: skip
        if topic != "/market/candles":
            return f"unread: {topic}"
        start, o, c, h, low, v, q = d["candles"]
        bar = {"ts": d["time"], "start": f"{start}000000000", "open": o, "high": h, "low": low,
               "close": c, "volume": v, "quote_volume": q, "closed": "0"}  # fmt: skip
        before, bars[name] = bars.get(name), bar
        over: Events = []
        if before is not None and before["start"] != bar["start"]:
            # The last that was said of the bar, once more, as over.
            over = [("candle_1m", name, {**before, "ts": bar["ts"], "closed": "1"})]
        return [*over, ("candle_1m", name, bar)]

    return read


def kucoin_snapshot(url: str, body: Wire) -> Any:
    found = re.search(r"level2(?:_100)?\?symbol=([A-Z0-9-]+)", url)
    if not found:
        return None
    d = body["data"]
    return _kucoin_name(found[1]), d["bids"], d["asks"], int(d["sequence"])


# -- Gate -------------------------------------------------------------------------


def gateio() -> Read:
    def read(frame: Wire) -> Events | str:
        if frame["event"] != "update":
            return "control: " + frame["event"]
        d, channel = frame["result"], frame["channel"]
        ts = {"ts": ms(frame["time_ms"])} if "time_ms" in frame else {}  # of newer servers
        if channel == "spot.trades":
            whole, _, part = d["create_time_ms"].partition(".")
            return [("trade", d["currency_pair"].replace("_", "-"), {
                "ts": whole + part.ljust(6, "0"), "price": d["price"], "size": d["amount"],
                "side": d["side"], "id": d["id"]})]  # fmt: skip
        if channel == "spot.tickers":
            return [("ticker", d["currency_pair"].replace("_", "-"), ts | sent(
                last=d["last"], high=d["high_24h"], low=d["low_24h"], volume=d["base_volume"],
                quote_volume=d["quote_volume"], bid=d["highest_bid"], ask=d["lowest_ask"],
            ))]  # fmt: skip
        if channel == "spot.candlesticks":
            interval, _, pair = d["n"].partition("_")
            volume = {"volume": d["a"]} if "a" in d else {}
            return [(f"candle_{interval}", pair.replace("_", "-"), {
                **ts, "start": d["t"] + "0" * 9, "open": d["o"], "high": d["h"], "low": d["l"],
                "close": d["c"], **volume, "quote_volume": d["v"],
                "closed": "1" if d.get("w") else "0"})]  # fmt: skip
        if channel != "spot.order_book_update":
            return f"unread: {channel}"
        return [("book", d["s"].replace("_", "-"), {
            "ts": ms(d["t"]), "type": "delta", "bids": d["b"], "asks": d["a"], "seq": d["u"],
            "first_seq": d["U"]})]  # fmt: skip

    return read


def gateio_snapshot(url: str, body: Wire) -> Any:
    found = re.search(r"currency_pair=(\w+)", url)
    if not found:
        return None
    return found[1].replace("_", "-"), body["bids"], body["asks"], int(body["id"])


# -- Deribit ----------------------------------------------------------------------


def _deribit_name(symbol: str) -> str:
    """BTC-25MAR22-400000-C, BTC-25MAR22, BTC-PERPETUAL, SOL_USDC-PERPETUAL."""
    pair, term, *option = symbol.split("-")
    base, _, quote = pair.partition("_")
    found = re.fullmatch(r"(\d+)([A-Z]{3})(\d\d)", term)
    if found:
        term = f"{found[3]}{MONTHS.index(found[2]) + 1:02}{int(found[1]):02}"
    return "-".join([base, quote or "USD", term.replace("PERPETUAL", "PERP"), *option])


def deribit() -> Read:
    def best(price: Any, size: Any) -> tuple[Any, Any]:
        return (price, size) if size is not None and float(size) else (None, None)

    def read(frame: Wire) -> Events | str:
        if "params" not in frame:
            return "control: answer"
        channel = frame["params"]["channel"]
        kind, suffix = channel.partition(".")[0], "_raw" if channel.endswith(".raw") else ""
        if kind not in ("book", "ticker"):
            return f"unread: {kind}"
        d = frame["params"]["data"]
        name, ts = _deribit_name(d["instrument_name"]), ms(d["timestamp"])
        if kind == "book":
            levels = {side: [[p, s] for _, p, s in d[side]] for side in ("bids", "asks")}
            book = {"ts": ts, "type": "snapshot" if d["type"] == "snapshot" else "delta"}
            return [("book" + suffix, name, book | levels | sent(
                seq=d["change_id"], prev_seq=d.get("prev_change_id")))]  # fmt: skip
        more: Events = [
            (
                "mark",
                name,
                {
                    "ts": ts,
                    "mark": d["mark_price"],
                    "index": d["index_price"],
                    **sent(funding_rate=d.get("current_funding")),
                },
            ),
            ("open_interest", name, {"ts": ts, "open_interest": d["open_interest"]}),
        ]
        if d["last_price"] is None:
            return [("ticker" + suffix, name, None), *more]  # never traded
        bid, bid_size = best(d["best_bid_price"], d["best_bid_amount"])
        ask, ask_size = best(d["best_ask_price"], d["best_ask_amount"])
        stats = d["stats"]
        if "current_funding" in d:
            more.append(("funding", name, {"ts": ts, "rate": d["current_funding"]}))
        return [("ticker" + suffix, name, sent(
            ts=ts, last=d["last_price"], high=stats["high"], low=stats["low"],
            volume=stats["volume"], quote_volume=stats.get("volume_notional"), bid=bid,
            bid_size=bid_size, ask=ask, ask_size=ask_size,
        )), *more]  # fmt: skip

    return read


# -- Bitfinex ---------------------------------------------------------------------


def bitfinex() -> Read:
    ours = {"UST": "USDT", "ETH2X": "ETH2"}
    channels: dict[str, tuple[str, str]] = {}  # number: channel, instrument

    def name_of(symbol: str) -> str:
        pair = symbol.removeprefix("t")
        base, quote = pair.split(":") if ":" in pair else (pair[:3], pair[3:])
        return f"{ours.get(base, base)}-{ours.get(quote, quote)}"

    def level(row: Wire) -> tuple[str, list[str]]:
        price, count, amount = row
        side = "asks" if amount.startswith("-") else "bids"
        return side, [price, amount.lstrip("-") if count != "0" else "0"]

    def read(frame: Wire) -> Events | str:
        if isinstance(frame, dict):
            if frame["event"] == "subscribed":
                kind = "bbo" if frame.get("len") == "1" else frame["channel"]
                channels[frame["chanId"]] = (kind, frame.get("symbol", ""))
            return "control: " + frame["event"]
        number, body = frame[0], frame[1]
        if body == "hb":
            return "control: heartbeat"
        channel, symbol = channels[number]
        if channel not in ("ticker", "trades", "book") or symbol.startswith("f"):
            return f"unread: {channel}"
        name = name_of(symbol)
        if body == "cs":
            return [("book", name, {"type": "delta", "bids": [], "asks": [],
                                    "checksum": frame[2]})]  # fmt: skip
        if channel == "ticker":
            bid, _, ask, _, _, _, last, volume, high, low = body[:10]
            return [("ticker", name, sent(last=last, high=high, low=low, volume=volume, bid=bid,
                                          ask=ask))]  # fmt: skip
        if channel == "trades":
            if body == "tu":
                return [("trade", name, "a trade, for the second time")]
            if body != "te":
                return [("trade", name, None)]  # what was before the subscription
            id_, when, amount, price = frame[2]
            side = "sell" if amount.startswith("-") else "buy"
            return [("trade", name, {"ts": ms(when), "price": price, "size": amount.lstrip("-"),
                                     "side": side, "id": id_})]  # fmt: skip
        is_snapshot = isinstance(body[0], list) if body else True
        sides: dict[str, list[list[str]]] = {"bids": [], "asks": []}
        for row in body if is_snapshot else [body]:
            side, found = level(row)
            sides[side].append(found)
        return [("book", name, {"type": "snapshot" if is_snapshot else "delta", **sides})]

    return read


# -- BitMEX -----------------------------------------------------------------------


def _bitmex_name(symbol: str) -> str:
    coins = {"XBT": "BTC"}
    found = re.fullmatch(r"(\w+?)(USDT|USD)?(?:([FGHJKMNQUVXZ])(\d\d))?", symbol)
    assert found
    base, quote, month, year = found.groups()
    base = coins.get(base, base)
    if not month:
        return f"{base}-{quote}-PERP"
    number = "FGHJKMNQUVXZ".index(month) + 1
    last = date(2000 + int(year), number, monthrange(2000 + int(year), number)[1])
    expiry = last - timedelta(days=(last.weekday() - 4) % 7)
    quote = quote or ("USD" if base == "BTC" else "BTC")
    return f"{base}-{quote}-{expiry:%y%m%d}"


def bitmex() -> Read:
    levels: dict[str, dict[str, tuple[str, str]]] = {}  # symbol: id: price, side

    def book(action: str, symbol: str, rows: Wire) -> Events | str:
        known = levels.setdefault(symbol, {})
        sides: dict[str, list[list[str]]] = {"Buy": [], "Sell": []}
        if action == "partial":
            known.clear()
        for row in rows:
            if action in ("partial", "insert"):
                known[row["id"]] = row["price"], row["side"]
                sides[row["side"]].append([row["price"], row["size"]])
            elif action == "update":
                price, side = known[row["id"]]
                assert side == row["side"] and row.get("price", price) == price
                sides[side].append([price, row["size"]])
            else:
                price, side = known.pop(row["id"])
                sides[side].append([price, "0"])
        kind = "snapshot" if action == "partial" else "delta"
        asks = sides["Sell"][::-1] if action == "partial" else sides["Sell"]
        stamps = [iso(row["timestamp"]) for row in rows if "timestamp" in row]  # since 2022
        ts = {"ts": max(stamps, key=int)} if stamps else {}
        return [("book", _bitmex_name(symbol), {**ts, "type": kind, "bids": sides["Buy"],
                                                "asks": asks})]  # fmt: skip

    def read(frame: Wire) -> Events | str:
        if "table" not in frame:
            return "control: info, answer"
        rows, table, action = frame["data"], frame["table"], frame["action"]
        if table not in ("orderBookL2", "quote", "trade"):
            return f"unread: {table}"
        symbols = {row["symbol"] for row in rows} or {frame["filter"]["symbol"]}
        if table == "orderBookL2":
            assert len(symbols) == 1
            return book(action, symbols.pop(), rows)
        if not rows:  # of a market where nothing happened
            kind = {"quote": "bbo", "trade": "trade"}[table]
            return [(kind, _bitmex_name(symbols.pop()), None)]
        if table == "quote":
            return [
                ("bbo", _bitmex_name(row["symbol"]), sent(
                    ts=iso(row["timestamp"]), bid=row["bidPrice"], bid_size=row["bidSize"],
                    ask=row["askPrice"], ask_size=row["askSize"])) for row in rows
            ]  # fmt: skip
        if action == "partial":  # the last before the subscription
            return [("trade", _bitmex_name(row["symbol"]), None) for row in rows]
        return [
            ("trade", _bitmex_name(row["symbol"]), {
                "ts": iso(row["timestamp"]), "price": row["price"], "size": row["size"],
                "side": row["side"].lower(), "id": row["trdMatchID"]}
             if "side" in row else None)  # a settlement
            for row in rows
        ]  # fmt: skip

    return read


# -- Gemini -----------------------------------------------------------------------


def gemini() -> Read:
    def name_of(symbol: str) -> str:
        pair = symbol.removesuffix("PERP")
        return split(pair, ("GUSD", *QUOTES)) + ("-PERP" if pair != symbol else "")

    def read(frame: Wire) -> Events | str:
        if frame["type"] == "heartbeat":
            return "control: heartbeat"
        name = name_of(frame["symbol"])
        if frame["type"] == "trade" and frame["side"] not in ("buy", "sell"):
            return [("book", name, None), ("trade", name, None)]  # a block trade
        if frame["type"] == "trade":
            return [("book", name, None),
                    ("trade", name, {"ts": ms(frame["timestamp"]), "price": frame["price"],
                                     "size": frame["quantity"], "side": frame["side"],
                                     "id": frame["event_id"]})]  # fmt: skip
        if frame["type"] != "l2_updates":
            return "unread: " + frame["type"]
        sides = {side: [[p, s] for way, p, s in frame["changes"] if way == side]
                 for side in ("buy", "sell")}  # fmt: skip
        first = "trades" in frame or "auction_events" in frame
        kind = "snapshot" if first else "delta"
        book = {"type": kind, "bids": sides["buy"], "asks": sides["sell"]}
        return [("book", name, book), ("trade", name, None)]

    return read


# -- HTX --------------------------------------------------------------------------


def htx(*, contracts: bool) -> Callable[[], Read]:
    def read(frame: Wire) -> Events | str:
        if "ch" not in frame:
            return "control: answer, ping"
        _, symbol, kind = frame["ch"].split(".", 2)
        name = f"{symbol}-PERP" if contracts else split(symbol)
        tick = frame["tick"]
        if kind == "trade.detail":
            number = "id" if contracts else "tradeId"
            return [("trade", name, {
                "ts": ms(d["ts"]), "price": d["price"], "size": d["amount"],
                "side": d["direction"], "id": d.get(number, d["id"])})
                for d in tick["data"]]  # fmt: skip
        if kind != "depth.step0":
            return f"unread: {kind}"
        return [("book_step0" if contracts else "book", name, {
            "ts": ms(tick["ts"]), "type": "snapshot", "bids": two(tick["bids"]),
            "asks": two(tick["asks"]), "seq": tick["version"]})]  # fmt: skip

    return lambda: read


# -- Bybit ------------------------------------------------------------------------


def bybit() -> Read:
    """Of derivatives: a message of the spot market looks just the same."""

    def name_of(symbol: str) -> str:
        pair = symbol.removesuffix("PERP")
        return f"{pair}-USDC-PERP" if pair != symbol else f"{split(pair)}-PERP"

    def read(frame: Wire) -> Events | str:
        if "topic" not in frame:
            return "control: answer"
        if "ts" not in frame:
            return "unknown_frame"  # of the protocol before v5
        topic, d = frame["topic"], frame["data"]
        channel, _, rest = topic.partition(".")
        if channel not in ("orderbook", "publicTrade"):
            return f"unread: {channel}"
        name = name_of(topic.rpartition(".")[2])
        if channel == "publicTrade":
            return [("trade", name, {"ts": ms(t["T"]), "price": t["p"], "size": t["v"],
                                     "side": t["S"].lower(), "id": t["i"]}) for t in d]  # fmt: skip
        if rest.startswith("1."):
            return "unread: orderbook.1"
        book = {"ts": ms(frame["ts"]), "type": frame["type"], "bids": d["b"], "asks": d["a"]}
        return [("book", name, {**book, "seq": d["u"]})]

    return read


# -- Kraken v2 --------------------------------------------------------------------


def kraken_v2() -> Read:
    sides = ("bids", "asks")

    def read(frame: Wire) -> Events | str:
        channel = frame.get("channel", "answer")
        if channel in ("answer", "heartbeat", "status"):
            return f"control: {channel}"
        events: Events = []
        for d in frame["data"]:
            name = d["symbol"].replace("/", "-")
            ts = {"ts": iso(d["timestamp"])} if d.get("timestamp") else {}
            if channel == "trade":
                trade = {"price": d["price"], "size": d["qty"], "side": d["side"]}
                events.append(("trade", name, {**ts, **trade, "id": d["trade_id"]}))
            elif channel == "ticker":
                best = {"bid": d["bid"], "bid_size": d["bid_qty"], "ask": d["ask"],
                        "ask_size": d["ask_qty"]}  # fmt: skip
                day = {"last": d["last"], "high": d["high"], "low": d["low"]}
                events.append(("ticker", name, ts | sent(**best, **day, volume=d["volume"])))
            elif channel == "book":
                levels = {side: [[row["price"], row["qty"]] for row in d[side]] for side in sides}
                kind = {"snapshot": "snapshot", "update": "delta"}[frame["type"]]
                events.append(("book", name, {**ts, "type": kind, **levels,
                                              "checksum": d["checksum"]}))  # fmt: skip
            else:
                return f"unread: {channel}"
        return events

    return read


# -- Coinbase Advanced --------------------------------------------------------------


def coinbase_advanced() -> Read:
    taker = {"BUY": "sell", "SELL": "buy"}
    side_of = {"bid": "bids", "offer": "asks"}

    def name_of(product: str) -> str:
        return product.replace("-PERP-INTX", "-USDC-PERP")

    def book(event: Wire, ts: Entry) -> tuple[str, str, Entry]:
        sides: dict[str, list[list[str]]] = {"bids": [], "asks": []}
        for row in event["updates"]:
            sides[side_of[row["side"]]].append([row["price_level"], row["new_quantity"]])
        kind = "snapshot" if event["type"] == "snapshot" else "delta"
        return "book", name_of(event["product_id"]), {**ts, "type": kind, **sides}

    def trades(event: Wire) -> Events:
        if event["type"] != "update":  # what was before the subscription
            return [("trade", name_of(d["product_id"]), None) for d in event["trades"]]
        return [("trade", name_of(d["product_id"]), {
            "ts": iso(d["time"]), "price": d["price"], "size": d["size"],
            "side": taker[d["side"]], "id": d["trade_id"]}) for d in event["trades"]]  # fmt: skip

    def tickers(event: Wire, ts: Entry) -> Events:
        return [("ticker", name_of(d["product_id"]), ts | sent(
            last=d["price"], high=d["high_24_h"], low=d["low_24_h"], volume=d["volume_24_h"],
            bid=d["best_bid"], bid_size=d["best_bid_quantity"], ask=d["best_ask"],
            ask_size=d["best_ask_quantity"])) for d in event["tickers"]]  # fmt: skip

    def read(frame: Wire) -> Events | str:
        channel = frame.get("channel", "error")
        if channel in ("error", "heartbeats", "subscriptions"):
            return f"control: {channel}"
        ts = {"ts": iso(frame["timestamp"])}
        if channel == "l2_data":
            return [book(event, ts) for event in frame["events"]]
        if channel == "market_trades":
            return [part for event in frame["events"] for part in trades(event)]
        if channel == "ticker":
            return [part for event in frame["events"] for part in tickers(event, ts)]
        return f"unread: {channel}"

    return read


BINANCE_USDM = Rules("binance-usdm", binance(futures=True), binance_snapshot(futures=True))
BINANCE_COINM = Rules(
    "binance-coinm", binance(futures=True, inverse=True), binance_snapshot(futures=True)
)
HTX = Rules("htx", htx(contracts=False))
HTX_USDM = Rules("htx-usdm", htx(contracts=True), book="book_step0")
HTX_COINM = Rules("htx-coinm", htx(contracts=True), book="book_step0")
# By how the name of a session begins, `<venue>/<session>`; the first that matches.
BY_SESSION: dict[str, Rules] = {
    "binance/": Rules("binance", binance(futures=False), binance_snapshot(futures=False)),
    "binance_futures/": BINANCE_USDM,
    "binance-usdm/": BINANCE_USDM,
    "binance-coinm/": BINANCE_COINM,
    "okx/": Rules(
        "okx", okx, book="book_l2_tbt", checksum=okx_checksum, copies={"book": "book_l2_tbt"}
    ),
    "kraken/cf-": KRAKEN_V1,
    "kraken-v1/": KRAKEN_V1,
    "kraken/": Rules("kraken", kraken_v2, depth=1000, checksum=kraken_checksum, splits=True),
    "coinbase/": Rules("coinbase", coinbase),
    "coinbase-advanced/": Rules("coinbase-advanced", coinbase_advanced, splits=True),
    "bitstamp/": Rules("bitstamp", bitstamp, bitstamp_snapshot),
    "kucoin/": Rules("kucoin", kucoin, kucoin_snapshot),
    "gateio/": Rules("gateio", gateio, gateio_snapshot),
    "deribit/": Rules(
        "deribit", deribit, book="book_raw", copies={"book": "book_raw", "ticker": "ticker_raw"}
    ),
    "bitfinex/": Rules("bitfinex", bitfinex),
    "bitmex/": Rules("bitmex", bitmex),
    "gemini/": Rules("gemini", gemini),
    "htx/.*linear": HTX_USDM,
    "htx/.*coin": HTX_COINM,
    "htx/": HTX,
    "htx-usdm/": HTX_USDM,
    "htx-coinm/": HTX_COINM,
    "bybit/": Rules("bybit", bybit),
}


def rules_of(session: str) -> Rules | None:
    """The rules for a session by its name; None: there are none for its venue."""
    return next((rules for start, rules in BY_SESSION.items() if re.match(start, session)), None)

"""As wire.py, of venues of which no recording is at hand: read as their documentation has it."""

import re
from typing import Any

from tests.playback.wire import QUOTES, Entry, Events, Read, Wire, ms, sent, split, two


class Bars:
    """Candles of venues that do not say when one is over: it is once a later one begins."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], Entry] = {}

    def __call__(self, channel: str, name: str, bar: Entry) -> Events:
        stream = channel, name
        before = self._latest.get(stream)
        if before is not None and int(bar["start"]) < int(before["start"]):
            return [(*stream, {**bar, "closed": "1"})]
        self._latest[stream] = bar
        over: Events = []
        if before is not None and before["start"] != bar["start"]:
            over = [(*stream, {**before, "closed": "1"})]
        return [*over, (*stream, {**bar, "closed": "0"})]


# -- Gate's perpetuals ------------------------------------------------------------


def _gate_name(contract: str) -> str:
    return contract.replace("_", "-") + "-PERP"


def _signed(size: str) -> Entry:
    return {"size": size.removeprefix("-"), "side": "sell" if size.startswith("-") else "buy"}


def _gate_levels(side: Wire) -> list[list[str]]:
    return [[level["p"], level["s"]] for level in side]


def gate_futures() -> Read:
    def of_ticker(d: Wire, ts: Entry) -> Events:
        name = _gate_name(d["contract"])
        ts = {"ts": ms(d["t"])} if "t" in d else ts
        rate, due = d.get("funding_rate", ""), d.get("funding_next_apply")
        next_funding = {"next_funding": f"{due}000000000"} if due else {}
        volumes = {"volume": d.get("volume_24h_base"), "quote_volume": d.get("volume_24h_quote")}
        day = sent(last=d["last"], high=d.get("high_24h"), low=d.get("low_24h"), **volumes)
        mark = sent(mark=d["mark_price"], index=d.get("index_price"), funding_rate=rate)
        return [
            ("ticker", name, ts | day),
            ("mark", name, ts | mark | next_funding),
            ("funding", name, ts | {"rate": rate} | next_funding if rate else None),
        ]

    def of_liquidation(d: Wire) -> Events:
        at = d.get("time_ms", d.get("time"))
        ts = ms(at) if len(at) > 11 else f"{at}000000000"  # it was of seconds
        return [("liquidation", _gate_name(d["contract"]),
                 {"ts": ts, "price": d["price"], **_signed(d["size"])})]  # fmt: skip

    def of_list(channel: str, rows: Wire, ts: Entry) -> Events | str:
        found: Events = []
        for d in rows:
            if channel == "trades":
                found.append(("trade", _gate_name(d["contract"]), {
                    "ts": ms(d["create_time_ms"]), "price": d["price"], **_signed(d["size"]),
                    "id": d["id"]}))  # fmt: skip
            elif channel == "tickers":
                found += of_ticker(d, ts)
            elif channel == "candlesticks":
                interval, _, contract = d["n"].partition("_")
                found.append((f"candle_{interval.replace('7d', '1w')}", _gate_name(contract), {
                    **ts, "start": d["t"] + "0" * 9, "open": d["o"], "high": d["h"],
                    "low": d["l"], "close": d["c"], **sent(volume=d.get("v")),
                    **sent(quote_volume=d.get("a")),
                    "closed": "1" if d.get("w") else "0"}))  # fmt: skip
            elif channel == "contract_stats":
                held = {**ts, "open_interest": d["open_interest"]}
                found.append(("open_interest", _gate_name(d["contract"]), held))
            elif channel == "public_liquidates":
                found += of_liquidation(d)
            else:
                return f"unread: {channel}"
        return found

    def read(frame: Wire) -> Events | str:
        channel = frame["channel"].removeprefix("futures.")
        if frame.get("event") != "update" or channel == "system":
            return f"control: {channel}"
        d = frame["result"]
        if isinstance(d, list):
            return of_list(channel, d, {"ts": ms(frame["time_ms"])} if "time_ms" in frame else {})
        ts = {"ts": ms(d["t"])}
        if channel == "book_ticker":
            bid = {"bid": d["b"], "bid_size": d["B"]} if d["b"] else {}
            ask = {"ask": d["a"], "ask_size": d["A"]} if d["a"] else {}
            return [("bbo", _gate_name(d["s"]), {**ts, **bid, **ask, "seq": d["u"]})]
        kind = {"type": "snapshot" if d.get("full") else "delta"}
        if channel == "order_book_update":
            sides = {"bids": _gate_levels(d["b"]), "asks": _gate_levels(d["a"])}
            numbers = {"seq": d["u"], "first_seq": d["U"]}
            return [("book", _gate_name(d["s"]), {**ts, **kind, **sides, **numbers})]
        if channel != "obu":
            return f"unread: {channel}"
        _, contract, depth = d["s"].split(".")
        sides = {"bids": d.get("b", []), "asks": d.get("a", [])}
        numbers = {"seq": d["u"], **({} if d.get("full") else {"first_seq": d["U"]})}
        our = {"400": "book", "50": "book_50"}[depth]
        return [(our, _gate_name(contract), {**ts, **kind, **sides, **numbers})]

    return read


def gate_futures_snapshot(url: str, body: Wire) -> Any:
    found = re.search(r"order_book\?.*contract=(\w+)", url)
    if not found:
        return None
    sides = (_gate_levels(body[side]) for side in ("bids", "asks"))
    return _gate_name(found[1]), *sides, int(body["id"])


# -- KuCoin's perpetuals -----------------------------------------------------------


def kucoin_futures() -> Read:
    bars = Bars()
    units = {"min": "m", "hour": "h", "day": "d", "week": "w", "month": "M"}

    def name_of(symbol: str) -> str:
        return split(symbol.removesuffix("M").replace("XBT", "BTC", 1)) + "-PERP"

    def read(frame: Wire) -> Events | str:
        if "T" not in frame:
            return "control: answer"
        channel, d = frame["T"].partition(".")[0], frame["d"]
        name = name_of(d["s"])
        if channel == "kline":
            number, unit = re.fullmatch(r"(\d+)([a-z]+)", d["i"]).groups()  # type: ignore[union-attr]
            return bars(f"candle_{number}{units[unit]}", name, {
                "start": f"{d['O']}000000000", "open": d["o"], "high": d["h"], "low": d["l"],
                "close": d["c"], **sent(volume=d["v"], quote_volume=d["a"])})  # fmt: skip
        if channel == "mark-price":
            ts = {"ts": ms(d["ts"])}
            mark = ts | sent(mark=d["mp"], index=d["ip"]) if d["mp"] else None
            held = ts | {"open_interest": d["oi"]} if d["oi"] else None
            return [("mark", name, mark), ("open_interest", name, held)]
        if channel == "funding-fee":
            due = {"next_funding": ms(d["nt"])} if "nt" in d else {}
            return [("funding", name, {"ts": frame["P"], "rate": d["fr"], **due})]
        ts = {"ts": d["M"]}
        if channel == "trade":
            return [("trade", name, {**ts, "price": d["p"], "size": d["q"],
                                     "side": d["S"].lower(), "id": d["ti"]})]  # fmt: skip
        if channel == "ticker":
            best = sent(bid=d["b"], bid_size=d["B"], ask=d["a"], ask_size=d["A"])
            return [("ticker", name, {**ts, "last": d["l"], **best} if d["l"] else None)]
        if channel != "obu" or frame["dp"] not in ("1", "increment@10ms"):
            return f"unread: {channel}"
        if frame["dp"] == "1":
            (bid, bid_size), (ask, ask_size) = (d[s][0] if d[s] else ("", "") for s in "ba")
            best = sent(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)
            return [("bbo", name, {**ts, **best, "seq": d["C"]})]
        first = {"first_seq": d["O"]} if frame["t"] == "delta" else {}
        return [("book", name, {**ts, "type": frame["t"], "bids": d["b"], "asks": d["a"],
                                "seq": d["C"], **first})]  # fmt: skip

    return read


# -- Gemini's current interface -----------------------------------------------------


def gemini_v3() -> Read:
    def name_of(symbol: str) -> str:
        pair = symbol.removesuffix("perp")
        return split(pair, ("GUSD", *QUOTES)) + ("-PERP" if pair != symbol else "")

    def read(frame: Wire) -> Events | str:
        if "status" in frame:
            return "control: answer"
        name, ts = name_of(frame["s"]), {"ts": frame["E"]}
        if frame.get("e") == "depthUpdate":
            whole = frame["U"] == frame["u"]
            numbers = {"seq": frame["u"], **({} if whole else {"prev_seq": frame["U"]})}
            sides = {"bids": frame["b"], "asks": frame["a"]}
            kind = {"type": "snapshot" if whole else "delta"}
            return [("book", name, {**ts, **kind, **sides, **numbers})]
        if "e" in frame:
            return f"unread: {frame['e']}"
        if "t" in frame:
            return [("trade", name, {**ts, "price": frame["p"], "size": frame["q"],
                                     "side": "sell" if frame["m"] else "buy",
                                     "id": frame["t"]})]  # fmt: skip
        bid = {"bid": frame["b"], "bid_size": frame["B"]} if frame.get("b") else {}
        ask = {"ask": frame["a"], "ask_size": frame["A"]} if frame.get("a") else {}
        return [("bbo", name, {**ts, **bid, **ask, "seq": frame["u"]})]

    return read


# -- Crypto.com ---------------------------------------------------------------------


def crypto_com() -> Read:
    bars = Bars()

    def name_of(symbol: str) -> str:
        if "_" in symbol:
            return symbol.replace("_", "-")
        pair, _, term = symbol.partition("-")
        return f"{split(pair)}-{term}"

    def of_ticker(name: str, symbol: str, d: Wire) -> Events:
        ts = {"ts": ms(d["t"])}
        best = sent(bid=d.get("b"), bid_size=d.get("bs"), ask=d.get("k"), ask_size=d.get("ks"))
        in_usd = symbol.endswith("_USD") or "USD-" in symbol  # `vv` is in dollars, always
        day = sent(last=d.get("a"), high=d.get("h"), low=d.get("l"), volume=d.get("v"),
                   quote_volume=d.get("vv") if in_usd else "")  # fmt: skip
        held = {**ts, "open_interest": d["oi"]} if d.get("oi") else None
        return [
            ("bbo", name, ts | best),
            ("ticker", name, ts | day | best if d.get("a") else None),
            ("open_interest", name, held),
        ]

    def of_book(name: str, d: Wire, channel: str) -> tuple[str, str, Entry]:
        whole, sides = channel == "book", d if channel == "book" else d["update"]
        book = {"ts": ms(d["t"]), "type": "snapshot" if whole else "delta"}
        book |= {"bids": two(sides["bids"]), "asks": two(sides["asks"]), "seq": d["u"]}
        return "book", name, book if whole else {**book, "prev_seq": d["pu"]}

    def read(frame: Wire) -> Events | str:
        result = frame.get("result", {})
        if frame.get("method") != "subscribe" or "data" not in result:
            return "control: answer"
        topic, rows = result["subscription"], result["data"]
        kind, *between, symbol = topic.removesuffix(".50").split(".")
        name = name_of(symbol)
        if kind == "trade":
            if frame.get("id") != "-1":
                return [("trade", name, None)]  # what was before the subscription
            return [("trade", name, {
                "ts": ms(d["t"]), "price": d["p"], "size": d["q"], "side": d["s"].lower(),
                "id": d["d"]}) for d in reversed(rows)]  # fmt: skip
        if kind == "ticker":
            return [part for d in rows for part in of_ticker(name, symbol, d)]
        if kind == "book":
            return [of_book(name, d, result["channel"]) for d in rows]
        if kind in ("mark", "funding"):
            value = {"mark": "mark", "funding": "rate"}[kind]
            return [(kind, name, {"ts": ms(d["t"]), value: d["v"]}) for d in rows]
        if kind != "candlestick":
            return f"unread: {kind}"
        rows = sorted(rows, key=lambda d: int(d["t"]))
        interval = {"1D": "1d", "7D": "1w", "14D": "2w"}.get(between[0], between[0])
        return [part for d in (rows if frame.get("id") == "-1" else rows[-1:])
                for part in bars(f"candle_{interval}", name, {
                    "start": ms(d["t"]), "open": d["o"], "high": d["h"], "low": d["l"],
                    "close": d["c"], "volume": d["v"]})]  # fmt: skip

    return read


# -- Hyperliquid --------------------------------------------------------------------


def hyperliquid() -> Read:
    bars = Bars()
    spot = {"PURR/USDC": "PURR-USDC", "@107": "HYPE-USDC", "@142": "UBTC-USDC", "@151": "UETH-USDC"}

    def name_of(coin: str) -> str:
        return spot.get(coin, f"{coin}-USDC-PERP")

    def of_context(name: str, ctx: Wire) -> Events:
        rate = sent(funding_rate=ctx.get("funding"))
        mark = {"mark": ctx["markPx"], **sent(index=ctx.get("oraclePx")), **rate}
        return [
            ("mark", name, mark if ctx.get("markPx") else None),
            ("funding", name, {"rate": ctx["funding"]} if rate else None),
            ("open_interest", name, sent(open_interest=ctx.get("openInterest")) or None),
        ]

    def read(frame: Wire) -> Events | str:
        channel, d = frame["channel"], frame.get("data")
        if channel in ("pong", "subscriptionResponse", "error"):
            return f"control: {channel}"
        if channel == "trades":
            sides = {"B": "buy", "A": "sell"}
            return [("trade", name_of(t["coin"]), {
                "ts": ms(t["time"]), "price": t["px"], "size": t["sz"], "side": sides[t["side"]],
                "id": t["tid"]}) for t in d]  # fmt: skip
        if channel == "candle":
            return bars(f"candle_{d['i']}", name_of(d["s"]), {
                "start": ms(d["t"]), "end": ms(d["T"]), "open": d["o"], "high": d["h"],
                "low": d["l"], "close": d["c"], "volume": d["v"], "trades": d["n"]})  # fmt: skip
        if channel in ("activeAssetCtx", "activeSpotAssetCtx"):
            return of_context(name_of(d["coin"]), d["ctx"])
        if channel == "bbo":
            bid, ask = ((level["px"], level["sz"]) if level else ("", "") for level in d["bbo"])
            best = sent(bid=bid[0], bid_size=bid[1], ask=ask[0], ask_size=ask[1])
            return [("bbo", name_of(d["coin"]), {"ts": ms(d["time"]), **best})]
        if channel != "l2Book":
            return f"unread: {channel}"
        bids, asks = ([[level["px"], level["sz"]] for level in side] for side in d["levels"])
        return [("book", name_of(d["coin"]), {"ts": ms(d["time"]), "type": "snapshot",
                                              "bids": bids, "asks": asks})]  # fmt: skip

    return read

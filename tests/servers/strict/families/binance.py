"""Binance spot and its two futures markets.

Source: github.com/binance/binance-spot-api-docs; developers.binance.com, derivatives.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price


class Binance(Family):
    """Combined streams (`/stream`); unknown streams are acknowledged and silent."""

    used_header = "X-MBX-USED-WEIGHT-1M"
    depth_endpoint = "/api/v3/depth"
    # Levels asked for, at most, and what they weigh. Source: rest-api.md, "Order book".
    depth_weights = ((100, 5), (500, 25), (1000, 50), (5000, 250))

    def received(self, client: Client, text: str) -> None:
        try:
            request = json.loads(text)
            method, params = request["method"], request.get("params", [])
        except (ValueError, KeyError, TypeError):
            client.say({"error": {"code": 2, "msg": "Invalid request"}})
            return
        if method == "SUBSCRIBE":
            if not client.take(params):
                return
        elif method == "UNSUBSCRIBE":
            client.leave(params)
        client.say({"result": None, "id": request.get("id")})

    def breach(self, client: Client, rule: str) -> None:
        if rule == "request_bytes":
            return  # silence
        client.close(1008, "Too many requests" if rule == "messages" else "Invalid request")

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        data = self.event(topic, n)
        return [] if data is None else [{"stream": topic, "data": data}]

    def event(self, topic: str, n: int) -> dict[str, Any] | None:
        symbol, _, kind = topic.partition("@")
        ms, head = now_ms(), {"s": symbol.upper()}
        at = {"E": ms, **head}
        if kind == "trade":
            return {
                **{"e": "trade", **at, "t": n, "p": price(n), "q": "1.5"},
                **{"T": ms, "m": bool(n % 2), "M": True},
            }
        if kind == "aggTrade":
            return {
                **{"e": "aggTrade", **at, "a": n, "p": price(n), "q": "1.5"},
                **{"f": n, "l": n, "T": ms, "m": bool(n % 2), "M": True},
            }
        if kind == "bookTicker":
            return {"u": n, **head, "b": price(n), "B": "1", "a": price(n + 1), "A": "2"}
        if kind.startswith("depth"):
            return {
                **{"e": "depthUpdate", **at, "U": n, "u": n, "pu": n - 1, "T": ms},
                **{"b": [change(n)], "a": []},
            }
        if kind == "ticker":
            return {
                **{"e": "24hrTicker", **at, "c": price(n), "o": "100", "h": "200", "l": "90"},
                **{"v": "10", "q": "1000", "b": "99", "B": "1", "a": "101", "A": "1"},
                **{
                    "n": n,
                    "p": "0",
                    "P": "0",
                    "w": "100",
                    "Q": "1",
                    "O": 1,
                    "C": 2,
                    "F": 1,
                    "L": n,
                },
            }
        if kind.startswith("kline_"):
            start = ms // 60000 * 60000
            bar = {
                **{"t": start, "T": start + 59999, "s": symbol.upper(), "i": kind[6:]},
                **{"f": 1, "L": n, "o": "100", "c": price(n), "h": "200", "l": "90", "v": "10"},
                **{"n": n, "x": False, "q": "1000", "V": "5", "Q": "500", "B": "0"},
            }
            return {"e": "kline", **at, "k": bar}
        if kind.startswith("markPrice"):
            return {
                **{"e": "markPriceUpdate", **at, "p": price(n), "i": price(n), "P": price(n)},
                **{"r": "0.0001", "T": ms + 3_600_000},
            }
        return None

    def ask_to_leave(self, client: Client) -> None:
        event = {"e": "serverShutdown", "E": now_ms()}
        client.say({"stream": "!serverShutdown", "data": event})

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        if path != self.depth_endpoint or "symbol" not in query:
            return None
        limit = int(query.get("limit", 100))
        weight = next(weight for most, weight in self.depth_weights if limit <= most)
        stream = f"{query['symbol'].lower()}@depth"
        n = next((n for topic, n in sent.items() if topic.startswith(stream)), 0)
        bids, asks = book(n)
        times = {"E": now_ms(), "T": now_ms()}
        return weight, {"lastUpdateId": n, **times, "bids": bids, "asks": asks}


class _Futures(Binance):
    """Every event has its times."""

    # Source: "Order Book" of both markets.
    depth_weights = ((50, 2), (100, 5), (500, 10), (1000, 20))

    def event(self, topic: str, n: int) -> dict[str, Any] | None:
        event = super().event(topic, n)
        if event is not None and "e" not in event:
            event = {"e": "bookTicker", **event, "E": now_ms(), "T": now_ms()}
        return event


class BinanceUsdm(_Futures):
    """Streams are split by path: `/public` has books, `/market` the rest.

    Of `@trade` it is not settled where it belongs: it is served at both.
    """

    depth_endpoint = "/fapi/v1/depth"

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        if request.get("method") == "SUBSCRIBE":
            for topic in request["params"]:
                if not self._is_at_home(topic, client):
                    client.breach("wrong_path", f"{topic} at {client.path}")
        super().received(client, text)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        return super().data(topic, n, client) if self._is_at_home(topic, client) else []

    def _is_at_home(self, topic: str, client: Client) -> bool:
        kind = topic.partition("@")[2]
        public = kind.startswith(("depth", "bookTicker"))
        path = "/public" if public else "/market"
        return kind == "trade" or client.path.startswith(path)


class BinanceCoinm(_Futures):
    """As spot, on a host of its own."""

    depth_endpoint = "/dapi/v1/depth"

    def event(self, topic: str, n: int) -> dict[str, Any] | None:
        event = super().event(topic, n)
        if event is not None and event.get("e") != "kline":
            event["ps"] = event["s"].partition("_")[0]
        return event

"""Gate's perpetuals, WebSocket v4. Source: www.gate.com/docs/developers/futures/ws."""

import json
from collections.abc import Mapping
from typing import Any

from tests.servers.strict.families.base import (
    LISTED,
    Client,
    Family,
    book,
    change,
    now_ms,
    price,
)

_LISTS = ("futures.trades", "futures.tickers", "futures.book_ticker")
_STREAMS = "futures.obu"
_BOOK = "futures.order_book_update"


def _levels(side: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"p": price, "s": size} for price, size in side]


class GateioUsdt(Family):
    """A server for each currency of settlement; some requests are for a single contract."""

    settle, quote = "usdt", "USDT"

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        client.memory["request"] = request
        channel = request["channel"]
        if not isinstance(request["time"], int):
            raise TypeError("a request has its time")
        if channel == "futures.ping":
            self._answer(client, channel="futures.pong", event="", result=None)
            return
        topics = self._topics(channel, request["payload"])
        if request["event"] == "subscribe" and channel == _STREAMS:
            for topic in topics:
                if topic in client.topics:
                    client.breach("twice", topic)
                    return
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["event"]]
        if act(topics):
            self._answer(client, payload=request["payload"], result={"status": "success"})

    def _topics(self, channel: str, payload: list[str]) -> list[str]:
        if channel in _LISTS:
            return [f"{channel}:{contract}" for contract in payload]
        if channel == _STREAMS:
            for stream in payload:
                kind, _, depth = stream.split(".")
                if (kind, depth) not in (("ob", "400"), ("ob", "50")) or self.settle != "usdt":
                    raise ValueError(stream)
            return [f"{channel}:{stream}" for stream in payload]
        if channel == _BOOK:
            contract, speed, depth = payload
            if (speed, depth) not in (("100ms", "100"), ("100ms", "50"), ("20ms", "20")):
                raise ValueError("one contract a request, how often and how deep")
            return [f"{channel}:{contract}"]
        raise ValueError(channel)

    def breach(self, client: Client, rule: str) -> None:
        if rule == "twice":
            stream = client.memory["request"]["payload"][0]
            error = {"code": 2, "message": f"Alert sub {stream}"}
            self._answer(client, error=error, result={"status": "fail"})
        else:
            client.close(1008, rule)

    def _answer(self, client: Client, **values: Any) -> None:
        request, ms = client.memory["request"], now_ms()
        kept = {name: request[name] for name in ("id", "channel", "event") if name in request}
        client.say({"time": ms // 1000, "time_ms": ms, **kept, **values})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, _, name = topic.partition(":")
        ms = now_ms()
        result: Any
        if channel == "futures.trades":
            about = {"create_time": ms // 1000, "create_time_ms": ms, "contract": name}
            result = [{"id": n, "size": "-3", "price": price(n), **about}]
        elif channel == "futures.tickers":
            result = [
                {
                    **{"contract": name, "last": price(n), "mark_price": price(n), "t": ms},
                    **{"index_price": "100", "funding_rate": "0.0001", "low_24h": "90"},
                    **{"high_24h": "200", "volume_24h_base": "10", "volume_24h_quote": "1000"},
                }
            ]
        elif channel == "futures.book_ticker":
            result = {"t": ms, "u": n, "s": name, "b": price(n), "B": "1", "a": "300", "A": "2"}
        elif channel == _STREAMS:
            bids, asks = book(n) if client.begins(topic) else ([change(n)], [])
            numbers = {"full": True} if client.begins(topic) else {"U": n}
            result = {"t": ms, "s": name, **numbers, "u": n, "b": bids, "a": asks}
        else:
            result = {"t": ms, "s": name, "U": n, "u": n, "b": _levels([change(n)]), "a": []}
        head = {"time": ms // 1000, "time_ms": ms, "channel": channel, "event": "update"}
        return [{**head, "result": result}]

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        base = f"/api/v4/futures/{self.settle}"
        names = [f"{coin}_{self.quote}" for coin in LISTED]
        if path == f"{base}/order_book":
            n = sent.get(f"{_BOOK}:{query['contract']}", 0)
            bids, asks = map(_levels, book(n))
            head = {"id": n} if query.get("with_id") == "true" else {}
            now_s = now_ms() / 1000
            return 1, {**head, "current": now_s, "update": now_s, "bids": bids, "asks": asks}
        if path == f"{base}/contracts":
            about = {"order_price_round": "0.01", "order_size_min": 1, "quanto_multiplier": "0.1"}
            state = {"status": "trading", "in_delisting": False}
            return 1, [{"name": name, **about, **state} for name in names]
        if path == f"{base}/tickers":
            return 1, [{"contract": name, "volume_24h_quote": "5"} for name in names]
        return None


class GateioBtc(GateioUsdt):
    """Its books begin over REST."""

    settle, quote = "btc", "USD"

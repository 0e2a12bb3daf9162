"""Gemini's current interface. Source: developer.gemini.com/websocket/streams."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price

_STREAMS = ("trade", "bookTicker", "depth@100ms")


class GeminiV3(Family):
    """A book begins with a whole one only where the address asks for it."""

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        number, method = request["id"], request["method"]
        if method == "ping":
            client.say({"id": number, "status": 200})
            return
        topics = request["params"]
        for topic in topics:
            symbol, _, stream = topic.partition("@")
            if stream not in _STREAMS or symbol != symbol.lower():
                raise ValueError(topic)
        act = {"subscribe": client.take, "unsubscribe": client.leave}[method]
        if act(topics):
            client.say({"id": number, "status": 200})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        symbol, _, stream = topic.partition("@")
        event: dict[str, Any] = {"E": now_ms() * 1_000_000, "s": symbol}
        if stream == "trade":
            return [{**event, "t": n, "p": price(n), "q": "1.5", "m": n % 2 == 0}]
        if stream == "bookTicker":
            return [{**event, "u": n, "b": price(n), "B": "1", "a": "300", "A": "2"}]
        whole = client.begins(topic) and client.query.get("snapshot") == "-1"
        bids, asks = book(n) if whole else ([change(n)], [])
        # An update's first number is the last of the one before; a whole book has one.
        numbers = {"U": n if whole else n - 1, "u": n}
        return [{"e": "depthUpdate", **event, **numbers, "b": bids, "a": asks}]

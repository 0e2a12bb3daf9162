"""Crypto.com Exchange, market data v1. Source: exchange-docs.crypto.com."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price

_ERRORS = {
    "topics_per_connection": (40107, "EXCEED_MAX_SUBSCRIPTIONS"),
    "messages": (42901, "TOO_MANY_REQUESTS"),
    "messages_pro_rata": (42901, "TOO_MANY_REQUESTS"),
}


class CryptoCom(Family):
    """The venue asks for a heartbeat, and its number is to be sent back."""

    control_pings = False

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        method, number = request["method"], request["id"]
        if method == "public/respond-heartbeat":
            if number != client.memory.get("heartbeat"):
                raise ValueError("no such heartbeat")
            client.answered()
            return
        channels = request["params"]["channels"]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[method]
        if not act(channels):
            return
        if method == "unsubscribe":
            client.say({"id": number, "method": method, "code": 0})
        for channel in channels if method == "subscribe" else ():
            client.say({"id": number, "method": method, "code": 0, "channel": channel})

    def breach(self, client: Client, rule: str) -> None:
        if rule in _ERRORS:
            code, message = _ERRORS[rule]
            client.say({"id": -1, "method": "ERROR", "code": code, "message": message})
        else:
            client.close(1000, rule)

    def ping(self, client: Client) -> None:
        number = client.memory["heartbeat"] = now_ms()
        client.say({"id": number, "method": "public/heartbeat", "code": 0})
        client.pinged()

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        kind, symbol, *_ = topic.split(".")
        channel, ms = kind, now_ms()
        if kind == "trade":
            row: dict[str, Any] = {"d": str(n), "t": ms, "p": price(n), "q": "1.5"}
            row |= {"s": "BUY", "i": symbol}
        elif kind == "ticker":
            row = {"h": "200", "l": "90", "a": price(n), "c": "0.1", "i": symbol, "t": ms}
            row |= {"b": "99", "bs": "1", "k": "101", "ks": "1", "v": "10", "vv": "1000"}
        elif kind == "book":
            snapshot = client.begins(topic)
            channel = "book" if snapshot else "book.update"
            sides = book(n) if snapshot else ([change(n)], [])
            bids, asks = ([[*level, "1"] for level in side] for side in sides)
            levels = {"bids": bids, "asks": asks}
            row = {**levels} if snapshot else {"update": levels, "pu": n - 1}
            row |= {"t": ms, "tt": ms, "u": n, "cs": 0}
        else:
            return []
        at = {"instrument_name": symbol, "subscription": topic, "channel": channel}
        result = {**at, "data": [row]}
        return [{"id": -1, "method": "subscribe", "code": 0, "result": result}]

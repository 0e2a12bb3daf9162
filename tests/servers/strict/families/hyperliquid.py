"""Hyperliquid. Source: hyperliquid.gitbook.io/hyperliquid-docs, for developers, websocket."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, now_ms, price


class Hyperliquid(Family):
    """One subscription in a request; the client pings in JSON."""

    control_pings = False

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        method = request["method"]
        if method == "ping":
            client.say({"channel": "pong"})
            return
        wanted = request["subscription"]
        topic = f"{wanted['type']}:{wanted['coin']}"
        if method == "subscribe" and topic in client.topics:
            client.say({"channel": "error", "data": f"Already subscribed: {json.dumps(wanted)}"})
            return
        act = {"subscribe": client.take, "unsubscribe": client.leave}[method]
        if act([topic]):
            client.say({"channel": "subscriptionResponse", "data": request})

    def breach(self, client: Client, rule: str) -> None:
        client.say({"channel": "error", "data": f"Too many requests: {rule}"})
        client.close(1008, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        kind, coin, *_ = topic.split(":")
        ms = now_ms()
        data: Any
        if kind == "trades":
            trade = {"coin": coin, "side": "B", "px": price(n), "sz": "1.5", "time": ms}
            data = [{**trade, "hash": "0x00", "tid": n, "users": ["0x01", "0x02"]}]
        elif kind == "l2Book":
            levels = [[{"px": p, "sz": size, "n": 1} for p, size in side] for side in book(n)]
            data = {"coin": coin, "time": ms, "levels": levels}
        elif kind == "bbo":
            level = {"px": price(n), "sz": "1", "n": 1}
            data = {"coin": coin, "time": ms, "bbo": [level, None]}
        else:
            return []
        return [{"channel": kind, "data": data}]

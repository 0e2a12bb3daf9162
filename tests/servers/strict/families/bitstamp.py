"""Bitstamp, WebSocket v2 and the books of its REST interface. Source: www.bitstamp.net/api."""

import json
import time
from collections.abc import Mapping
from typing import Any

from tests.servers.strict.families.base import Client, Family, Levels, book, change, price


class Bitstamp(Family):
    """One channel in a request; whole books are had over REST."""

    def __init__(self) -> None:
        self._began_us = time.time_ns() // 1000

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        event = request["event"]
        if event == "bts:heartbeat":
            client.say({"event": event, "channel": "", "data": {"status": "success"}})
            return
        channel = request["data"]["channel"]
        act = {"bts:subscribe": client.take, "bts:unsubscribe": client.leave}[event]
        if act([channel]):
            done = event.removeprefix("bts:").replace("subscribe", "subscription")
            client.say({"event": f"bts:{done}_succeeded", "channel": channel, "data": {}})

    def ask_to_leave(self, client: Client) -> None:
        client.say({"event": "bts:request_reconnect", "channel": "", "data": ""})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        if topic.startswith("live_trades_"):
            trade = {
                **{"id": n, "timestamp": str(self._us(n) // 1_000_000), "amount": 1.5},
                **{"amount_str": "1.5", "price": float(price(n)), "price_str": price(n)},
                **{"type": 0, "microtimestamp": str(self._us(n))},
                **{"buy_order_id": 2, "sell_order_id": 1},
            }
            return [{"event": "trade", "channel": topic, "data": trade}]
        sides = ([change(n)], []) if topic.startswith("diff_") else book(n)
        return [{"event": "data", "channel": topic, "data": self._book(n, sides)}]

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        kind, _, pair = path.removeprefix("/api/v2/").rstrip("/").partition("/")
        if kind != "order_book" or not pair:
            return None
        n = sent.get(f"diff_order_book_{pair}", 0)
        return 1, self._book(n, book(n))

    def _book(self, n: int, sides: tuple[Levels, Levels]) -> dict[str, Any]:
        us = self._us(n)
        at = {"timestamp": str(us // 1_000_000), "microtimestamp": str(us)}
        return {**at, "bids": sides[0], "asks": sides[1]}

    def _us(self, n: int) -> int:
        """When the nth update happened: there is no other number."""
        return self._began_us + n

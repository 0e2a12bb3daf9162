"""Gemini, market data v2. Source: docs.gemini.com/websocket/archived/v2."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price


class Gemini(Family):
    """Subscriptions are not acknowledged; the first data of a book has trades with it."""

    control_pings = False
    beat_s = 5.0

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        topics = [
            f"{each['name']}:{symbol}"
            for each in request["subscriptions"]
            for symbol in each["symbols"]
        ]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["type"]]
        act(topics)

    def beat(self, client: Client) -> None:
        client.say({"type": "heartbeat", "timestamp": now_ms()})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        name, _, symbol = topic.partition(":")
        if name != "l2":
            bar = [now_ms() // 60000 * 60000, 100, 200, 90, float(price(n)), 10]
            return [{"type": f"{name}_updates", "symbol": symbol, "changes": [bar]}]
        trade = {
            **{"type": "trade", "symbol": symbol, "event_id": n, "timestamp": now_ms()},
            **{"price": price(n), "quantity": "1.5", "side": "buy"},
        }
        update = {"type": "l2_updates", "symbol": symbol}
        if not client.begins(topic):
            return [{**update, "changes": [["buy", *change(n)]]}, trade]
        bids, asks = book(n)
        changes = [["buy", *level] for level in bids] + [["sell", *level] for level in asks]
        return [{**update, "changes": changes, "trades": [trade], "auction_events": []}, trade]

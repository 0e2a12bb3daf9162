"""Coinbase Exchange. Source: docs.cdp.coinbase.com, exchange websocket feed."""

import json
from typing import Any

from tests.servers.strict.families.base import (
    Client,
    Family,
    book,
    change,
    iso,
    now_ms,
    price,
)


class Coinbase(Family):
    """Channels times products; the acknowledgement lists everything subscribed."""

    control_pings = False

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        if request.get("type") not in ("subscribe", "unsubscribe"):
            client.say({"type": "error", "message": "Malformed JSON", "reason": "type"})
            return
        every = request.get("product_ids", [])
        topics = []
        for channel in request["channels"]:
            name = channel if isinstance(channel, str) else channel["name"]
            own = [] if isinstance(channel, str) else channel.get("product_ids", [])
            topics += [f"{name}:{product}" for product in own or every]
        if request["type"] == "unsubscribe":
            client.leave(topics)
        elif not client.take(topics):
            return
        lists: dict[str, list[str]] = {}
        for topic in client.topics:
            name, _, product = topic.partition(":")
            lists.setdefault(name, []).append(product)
        channels = [{"name": name, "product_ids": ids} for name, ids in lists.items()]
        client.say({"type": "subscriptions", "channels": channels})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, _, product = topic.partition(":")
        at = {"product_id": product, "time": iso(now_ms())}
        if channel == "matches":
            return [
                {
                    **{"type": "match", "trade_id": n, "maker_order_id": "a", "sequence": n},
                    **{"taker_order_id": "b", "side": "sell", "size": "1.5", "price": price(n)},
                    **at,
                }
            ]
        if channel == "ticker":
            return [
                {
                    **{"type": "ticker", "sequence": n, "price": price(n), "open_24h": "100"},
                    **{"volume_24h": "10", "low_24h": "90", "high_24h": "200", "volume_30d": "9"},
                    **{"best_bid": "99", "best_bid_size": "1", "best_ask": "101"},
                    **{"best_ask_size": "1", "side": "buy", "trade_id": n, "last_size": "1"},
                    **at,
                }
            ]
        if channel.startswith("level2"):
            if client.begins(topic):
                bids, asks = book(n)
                sides = {"bids": bids, "asks": asks}
                return [{"type": "snapshot", "product_id": product, **sides, "time": at["time"]}]
            return [{"type": "l2update", "changes": [["buy", *change(n)]], **at}]
        return []

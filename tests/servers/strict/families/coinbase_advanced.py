"""Coinbase Advanced Trade. Source: docs.cdp.coinbase.com, advanced trade websocket."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, iso, now_ms, price


class CoinbaseAdvanced(Family):
    """One channel in a request; all messages of a connection are numbered in a row."""

    control_pings = False
    beat_s = 1.0

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        channel = request["channel"]
        topics = [f"{channel}:{product}" for product in request.get("product_ids", [])]
        if channel == "heartbeats":
            client.memory["heartbeats"] = request["type"] == "subscribe"
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["type"]]
        if not act(topics):
            return
        lists = {"heartbeats": ["heartbeats"]} if client.memory.get("heartbeats") else {}
        for topic in client.topics:
            name, _, product = topic.partition(":")
            lists.setdefault(name, []).append(product)
        self._say(client, "subscriptions", {"subscriptions": lists})

    def beat(self, client: Client) -> None:
        if client.memory.get("heartbeats"):
            self._say(client, "heartbeats", {"current_time": iso(now_ms()), "heartbeat_counter": 1})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, _, product = topic.partition(":")
        at = iso(now_ms())
        if channel == "market_trades":
            trade = {"trade_id": str(n), "product_id": product, "price": price(n), "size": "1.5"}
            event = {"type": "update", "trades": [{**trade, "side": "BUY", "time": at}]}
        elif channel == "level2":
            snapshot = client.begins(topic)
            bids, asks = book(n) if snapshot else ([change(n)], [])
            updates = [
                {"side": side, "event_time": at, "price_level": level[0], "new_quantity": level[1]}
                for side, levels in (("bid", bids), ("offer", asks))
                for level in levels
            ]
            kind = "snapshot" if snapshot else "update"
            event = {"type": kind, "product_id": product, "updates": updates}
        else:
            return []
        return [self._message(client, "l2_data" if channel == "level2" else channel, event)]

    def _say(self, client: Client, channel: str, event: dict[str, Any]) -> None:
        client.say(self._message(client, channel, event))

    def _message(self, client: Client, channel: str, event: dict[str, Any]) -> dict[str, Any]:
        number = client.memory.get("sequence", 0)
        client.memory["sequence"] = number + 1
        head = {"channel": channel, "client_id": "", "timestamp": iso(now_ms())}
        return {**head, "sequence_num": number, "events": [event]}

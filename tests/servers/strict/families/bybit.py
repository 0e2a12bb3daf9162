"""Bybit v5, public. Source: bybit-exchange.github.io/docs/v5/ws/connect."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price


class Bybit(Family):
    """One acknowledgement for a request; the client pings in JSON."""

    control_pings = False

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        head = {
            "success": True,
            "ret_msg": "",
            "conn_id": "a7b2",
            "req_id": request.get("req_id", ""),
        }
        if request["op"] == "ping":
            client.say({**head, "ret_msg": "pong", "op": "ping"})
            return
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["op"]]
        if not act(request["args"]):
            return
        client.say({**head, "op": request["op"]})

    def breach(self, client: Client, rule: str) -> None:
        if rule in ("topics_per_request", "topic_bytes_per_connection"):
            message = "args size >10" if rule == "topics_per_request" else "args too long"
            client.say({"success": False, "ret_msg": message, "conn_id": "a7b2", "op": "subscribe"})
        else:
            client.close(1006 if rule == "" else 1008, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        kind, *_, symbol = topic.split(".")
        ms = now_ms()
        if kind == "publicTrade":
            row = {
                **{"i": str(n), "T": ms, "p": price(n), "v": "1.5", "S": "Buy"},
                **{"s": symbol, "BT": False, "seq": n},
            }
            return [{"topic": topic, "ts": ms, "type": "snapshot", "data": [row]}]
        if kind == "orderbook":
            snapshot = client.begins(topic) or ".1." in topic
            bids, asks = book(n) if snapshot else ([change(n)], [])
            data = {"s": symbol, "b": bids, "a": asks, "u": n, "seq": n}
            kind_ = "snapshot" if snapshot else "delta"
            return [{"topic": topic, "ts": ms, "type": kind_, "data": data, "cts": ms}]
        if kind == "tickers":
            data = {
                **{"symbol": symbol, "lastPrice": price(n), "highPrice24h": "200"},
                **{"lowPrice24h": "90", "prevPrice24h": "100", "volume24h": "10"},
                **{"turnover24h": "1000", "price24hPcnt": "0", "usdIndexPrice": ""},
            }
            return [{"topic": topic, "ts": ms, "type": "snapshot", "cs": n, "data": data}]
        return []

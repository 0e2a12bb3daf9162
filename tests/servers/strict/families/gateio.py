"""Gate spot, WebSocket v4. Source: www.gate.com/docs/developers/apiv4."""

import json
import time
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

_LISTS = ("spot.trades", "spot.tickers", "spot.book_ticker")


class Gateio(Family):
    """Requests carry their time; those for books and candles are for a single pair."""

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        client.memory["request"] = request
        most = self.rules.request_age_s
        if most is not None and abs(time.time() - request["time"]) > most:
            client.breach("request_age_s", f"time {request['time']}")
            return
        channel = request["channel"]
        if channel == "spot.ping":
            self._answer(client, channel="spot.pong", event="", error=None, result=None)
            return
        payload = request["payload"]
        if channel in _LISTS:
            topics = [f"{channel}:{pair}" for pair in payload]
        elif channel == "spot.order_book_update":
            pair, speed = payload
            if speed not in ("20ms", "100ms"):
                raise ValueError("one pair a request, and how often")
            topics = [f"{channel}:{pair}"]
        else:
            interval, pair = payload
            topics = [f"{channel}:{interval}:{pair}"]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["event"]]
        if act(topics):
            self._answer(client, error=None, result={"status": "success"})

    def breach(self, client: Client, rule: str) -> None:
        if rule == "request_age_s":
            error = {"code": 1, "message": "Gap between request time and server time"}
            self._answer(client, error=error, result=None)
        else:
            client.close(1008, rule)

    def _answer(self, client: Client, **values: Any) -> None:
        request, ms = client.memory["request"], now_ms()
        kept = {name: request[name] for name in ("id", "channel", "event") if name in request}
        client.say({"time": ms // 1000, "time_ms": ms, **kept, **values})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, *_, pair = topic.split(":")
        ms = now_ms()
        result: dict[str, Any]
        if channel == "spot.trades":
            result = {
                **{"id": n, "create_time": ms // 1000, "create_time_ms": f"{ms}.1234"},
                **{"side": "sell", "currency_pair": pair, "amount": "1.5", "price": price(n)},
            }
        elif channel == "spot.book_ticker":
            result = {"t": ms, "u": n, "s": pair, "b": price(n), "B": "1", "a": "300", "A": "2"}
        elif channel == "spot.tickers":
            result = {
                **{"currency_pair": pair, "last": price(n), "lowest_ask": "300"},
                **{"highest_bid": "99", "change_percentage": "0.1", "base_volume": "10"},
                **{"quote_volume": "1000", "high_24h": "200", "low_24h": "90"},
            }
        elif channel == "spot.order_book_update":
            result = {"t": ms, "e": "depthUpdate", "E": ms // 1000, "s": pair, "U": n, "u": n}
            result |= {"b": [change(n)], "a": []}
        else:
            return []
        head = {"time": ms // 1000, "time_ms": ms, "channel": channel, "event": "update"}
        return [{**head, "result": result}]

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        if path == "/api/v4/spot/order_book":
            n = sent.get(f"spot.order_book_update:{query['currency_pair']}", 0)
            bids, asks = book(n)
            head = {"id": n} if query.get("with_id") == "true" else {}
            return 1, {**head, "current": now_ms(), "update": now_ms(), "bids": bids, "asks": asks}
        if path == "/api/v4/spot/currency_pairs":
            return 1, [
                {
                    **{"id": f"{base}_USDT", "base": base, "quote": "USDT", "precision": 2},
                    **{"amount_precision": 1, "trade_status": "tradable"},
                }
                for base in LISTED
            ]
        if path == "/api/v4/spot/tickers":
            return 1, [{"currency_pair": f"{base}_USDT", "quote_volume": "5"} for base in LISTED]
        return None

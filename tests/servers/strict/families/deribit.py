"""Deribit, JSON-RPC. Source: docs.deribit.com."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price


class Deribit(Family):
    """The client sets a heartbeat, and then answers `test_request` with `public/test`."""

    control_pings = False

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        method, params = request["method"], request.get("params", {})
        result: Any = "ok"
        if method == "public/subscribe":
            if not client.take(params["channels"]):
                return
            result = params["channels"]
        elif method == "public/unsubscribe":
            if not client.leave(params["channels"]):
                return
            result = params["channels"]
        elif method == "public/test":
            client.answered()
            result = {"version": "1.2.26"}
        elif method == "public/set_heartbeat":
            client.memory["heartbeat"] = params["interval"]
        client.say(
            {
                **{"jsonrpc": "2.0", "id": request.get("id"), "result": result},
                **{"usIn": now_ms() * 1000, "usOut": now_ms() * 1000, "usDiff": 1},
            }
        )

    def breach(self, client: Client, rule: str) -> None:
        if rule in ("messages", "subscribes"):
            error = {"code": 10028, "message": "too_many_requests"}
            client.say({"jsonrpc": "2.0", "error": error})
        client.close(1008, rule)

    def ping(self, client: Client) -> None:
        if "heartbeat" in client.memory:
            kind = {"type": "test_request"}
            client.say({"jsonrpc": "2.0", "method": "heartbeat", "params": kind})
            client.pinged()

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        kind, symbol, *_ = topic.split(".")
        ms = now_ms()
        at = {"timestamp": ms, "instrument_name": symbol}
        data: Any
        if kind == "trades":
            data = [
                {
                    **{"trade_seq": n, "trade_id": str(n), **at, "tick_direction": 0},
                    **{"price": float(price(n)), "mark_price": 100.5, "index_price": 100.5},
                    **{"direction": "buy", "amount": 10.0},
                }
            ]
        elif kind == "quote":
            data = {
                **{**at, "best_bid_price": 99.5, "best_bid_amount": 1.0},
                **{"best_ask_price": 101.5, "best_ask_amount": float(n)},
            }
        elif kind == "book":
            snapshot = client.begins(topic)
            data = {**at, "change_id": n, "type": "snapshot" if snapshot else "change"}
            sides = book(n) if snapshot else ([change(n)], [])
            for side, levels in zip(("bids", "asks"), sides, strict=True):
                act = "new" if snapshot else "change"
                data[side] = [[act, float(price), float(size)] for price, size in levels]
            if not snapshot:
                data["prev_change_id"] = n - 1
        elif kind == "ticker":
            data = {
                **{**at, "last_price": float(price(n)), "mark_price": 100.5, "index_price": 100.5},
                **{"best_bid_price": 99.5, "best_bid_amount": 1.0, "best_ask_price": 101.5},
                **{"best_ask_amount": 1.0, "open_interest": 10.0, "current_funding": 0.0001},
                **{"funding_8h": 0.0001, "max_price": 200.0, "min_price": 90.0, "state": "open"},
                "stats": {"volume": 10.0, "volume_usd": 100.0, "high": 200.0, "low": 90.0},
            }
        else:
            return []
        params = {"channel": topic, "data": data}
        return [{"jsonrpc": "2.0", "method": "subscription", "params": params}]

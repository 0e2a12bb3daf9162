"""BitMEX, public tables. Source: www.bitmex.com/app/wsAPI."""

import json
from collections.abc import Mapping
from typing import Any

from tests.servers.strict.families.base import (
    LISTED,
    Client,
    Family,
    book,
    change,
    iso,
    now_ms,
    price,
)

# What a level is called by: its price is only said when it begins.
_IDS = {"300.00": 1, "100.00": 2, "99.00": 3, "90.00": 4}


class Bitmex(Family):
    """An acknowledgement for each topic; a plain `ping` is answered with a plain `pong`."""

    def opened(self, client: Client) -> None:
        docs = "https://www.bitmex.com/app/wsAPI"
        welcome = {"info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0", "docs": docs}
        client.say({**welcome, "timestamp": iso(now_ms()), "limit": {"remaining": 39}})

    def received(self, client: Client, text: str) -> None:
        if text == "ping":
            client.say("pong")
            return
        request = json.loads(text)
        op, topics = request["op"], request["args"]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[op]
        if act(topics):
            for topic in topics:
                client.say({"success": True, op: topic, "request": request})

    def breach(self, client: Client, rule: str) -> None:
        client.say({"status": 429, "error": f"Rate limit exceeded: {rule}", "meta": {}})
        client.close(1008, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        table, _, symbol = topic.partition(":")
        at = {"timestamp": iso(now_ms()), "symbol": symbol}
        action = "partial" if client.begins(topic) else "insert"
        if table == "trade":
            trade = {"side": "Sell", "size": n, "price": float(price(n))}
            rows = [{**at, **trade, "trdMatchID": f"00000000-0000-0000-0000-{n:012}"}]
        elif table == "quote":
            rows = [{**at, "bidSize": n, "bidPrice": 99.5, "askPrice": 300, "askSize": 1}]
        elif table == "orderBookL2":
            bids, asks = book(n)
            if action == "insert":
                action, bids, asks = "update", [change(n)], []
            sides = [("Sell", level) for level in asks] + [("Buy", level) for level in bids]
            rows = [{**at, "id": _IDS[p], "side": side, "size": int(q)} for side, (p, q) in sides]
            if action == "partial":
                for row, (_, (p, _)) in zip(rows, sides, strict=True):
                    row["price"] = float(p)
        elif table == "instrument":
            action = "partial" if action == "partial" else "update"
            rows = [{**at, "lastPrice": float(price(n)), "markPrice": 100.5, "openInterest": n}]
        else:
            return []
        return [{"table": table, "action": action, "filter": {"symbol": symbol}, "data": rows}]

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        if path != "/api/v1/instrument/active":
            return None
        return 1, [
            {
                **{"symbol": f"{base}USDT", "typ": "FFWCSX", "state": "Open", "underlying": base},
                **{"quoteCurrency": "USDT", "tickSize": 0.01, "lotSize": 1},
                "foreignNotional24h": 5,
            }
            for base in LISTED
        ]

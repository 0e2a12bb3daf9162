"""Kraken spot v2. Source: docs.kraken.com, spot websocket v2."""

import json
import zlib
from typing import Any

from tests.servers.strict.families.base import (
    Client,
    Family,
    Levels,
    book,
    change,
    compact,
    iso,
    now_ms,
    price,
)


class Kraken(Family):
    """An acknowledgement for each symbol; heartbeats once a second; books with checksums."""

    control_pings = False
    beat_s = 1.0

    def opened(self, client: Client) -> None:
        status = {"version": "2.0.9", "system": "online", "api_version": "v2", "connection_id": 1}
        client.say({"channel": "status", "type": "update", "data": [status]})

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        if request["method"] == "ping":
            client.say({"method": "pong", "req_id": request.get("req_id")})
            return
        params = request["params"]
        kind = params["channel"] + (f"-{params['interval']}" if "interval" in params else "")
        topics = [f"{kind}:{symbol}" for symbol in params["symbol"]]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["method"]]
        if not act(topics):
            return
        for symbol in params["symbol"]:
            result = {key: value for key, value in params.items() if key != "symbol"}
            client.say(
                {
                    **{"method": request["method"], "result": {**result, "symbol": symbol}},
                    **{"success": True, "time_in": iso(now_ms()), "time_out": iso(now_ms())},
                    **({"req_id": request["req_id"]} if "req_id" in request else {}),
                }
            )

    def breach(self, client: Client, rule: str) -> None:
        client.say({"Error": "Exceeded msg rate"})

    def beat(self, client: Client) -> None:
        client.say({"channel": "heartbeat"})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        kind, _, symbol = topic.partition(":")
        at = iso(now_ms())
        if kind == "trade":
            row = (
                f'{{"symbol":"{symbol}","side":"buy","price":{price(n)},"qty":1.50000000,'
                f'"ord_type":"limit","trade_id":{n},"timestamp":"{at}"}}'
            )
            return [f'{{"channel":"trade","type":"update","data":[{row}]}}']
        if kind == "ticker":
            row_ = {
                **{"symbol": symbol, "bid": 99.5, "bid_qty": 1.0, "ask": 101.5, "ask_qty": 1.0},
                **{"last": float(price(n)), "volume": 10.0, "vwap": 100.0, "low": 90.0},
                **{"high": 200.0, "change": 0.5, "change_pct": 0.5, "timestamp": at},
            }
            kind_ = "snapshot" if client.begins(topic) else "update"
            return [compact({"channel": "ticker", "type": kind_, "data": [row_]})]
        if kind == "book":
            snapshot = client.begins(topic)
            bids, asks = book(n) if snapshot else ([change(n)], [])
            row = (
                f'{{"symbol":"{symbol}","bids":[{rows(bids)}],"asks":[{rows(asks)}],'
                f'"checksum":{checksum(n)},"timestamp":"{at}"}}'
            )
            kind_ = "snapshot" if snapshot else "update"
            return [f'{{"channel":"book","type":"{kind_}","data":[{row}]}}']
        return []


def rows(levels: Levels) -> str:
    return ",".join(f'{{"price":{price},"qty":{size}.00000000}}' for price, size in levels)


def checksum(n: int) -> int:
    """Of the book after the nth update: asks first, prices and sizes without point and zeros."""
    bids, asks = book(n)
    digits = "".join(
        text.replace(".", "").lstrip("0")
        for price, size in (*asks, *bids)
        for text in (price, f"{size}.00000000")
    )
    return zlib.crc32(digits.encode())

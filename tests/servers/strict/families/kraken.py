"""Kraken spot v2. Source: docs.kraken.com, spot websocket v2."""

import json
import zlib
from typing import Any

from tests.servers.strict.families.base import Client, Family, compact, iso, now_ms, price


class Kraken(Family):
    """An acknowledgement for each symbol; heartbeats once a second; books with checksums."""

    control_pings = False

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
        if request["method"] == "subscribe" and not client.take(topics):
            return
        if request["method"] == "unsubscribe":
            client.leave(topics)
        client.memory["depth"] = params.get("depth", 10)
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

    def ping(self, client: Client) -> None:
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
            begun = client.memory.setdefault("ticker", set())
            kind_ = "update" if topic in begun else "snapshot"
            begun.add(topic)
            return [compact({"channel": "ticker", "type": kind_, "data": [row_]})]
        if kind == "book":
            # One level a side, the size of the bid goes up; the checksum is over both.
            quantity = f"{n}.00000000"
            digits = "30000" + "100000000" + "10000" + quantity.replace(".", "")
            begun = client.memory.setdefault("book", set())
            snapshot = topic not in begun
            begun.add(topic)
            asks = '{"price":300.00,"qty":1.00000000}' if snapshot else ""
            row = (
                f'{{"symbol":"{symbol}","bids":[{{"price":100.00,"qty":{quantity}}}],'
                f'"asks":[{asks}],"checksum":{zlib.crc32(digits.encode())},"timestamp":"{at}"}}'
            )
            kind_ = "snapshot" if snapshot else "update"
            return [f'{{"channel":"book","type":"{kind_}","data":[{row}]}}']
        return []

"""OKX v5, public channels. Source: www.okx.com/docs-v5."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, now_ms, price


class Okx(Family):
    """An acknowledgement for each argument; text `ping` and `pong`."""

    control_pings = False

    def received(self, client: Client, text: str) -> None:
        if text == "ping":
            client.say("pong")
            return
        request = json.loads(text)
        args = request["args"]
        topics = [f"{arg['channel']}:{arg.get('instId', '')}" for arg in args]
        if request["op"] == "subscribe" and not client.take(topics):
            return
        if request["op"] == "unsubscribe":
            client.leave(topics)
        for arg in args:
            client.say({"event": request["op"], "arg": arg, "connId": "a4d3ae55"})

    def breach(self, client: Client, rule: str) -> None:
        if rule == "quiet_s":
            client.close(4004, "No data received in 30s.")
        elif rule == "subscribes":
            client.say({"event": "error", "code": "60014", "msg": "Requests too frequent"})
        else:
            client.say({"event": "error", "code": "60012", "msg": f"Invalid request: {rule}"})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, _, symbol = topic.partition(":")
        ms = str(now_ms())
        head: dict[str, Any] = {"arg": {"channel": channel, "instId": symbol}}
        if channel == "trades":
            row: Any = {
                **{"instId": symbol, "tradeId": str(n), "px": price(n), "sz": "1"},
                **{"side": "buy", "ts": ms, "count": "1"},
            }
        elif channel == "tickers":
            row = {
                **{"instType": "SPOT", "instId": symbol, "last": price(n), "lastSz": "1"},
                **{"askPx": "101", "askSz": "1", "bidPx": "99", "bidSz": "1", "open24h": "100"},
                **{"high24h": "200", "low24h": "90", "volCcy24h": "1000", "vol24h": "10"},
                **{"sodUtc0": "100", "sodUtc8": "100", "ts": ms},
            }
        elif channel in ("books", "bbo-tbt"):
            row = {"bids": [[price(n), "1", "0", "1"]], "asks": [["300.00", "1", "0", "1"]]}
            row |= {"ts": ms, "checksum": 0, "seqId": n, "prevSeqId": n - 1}
            if channel == "books":
                begun = client.memory.setdefault("books", set())
                head["action"] = "update" if topic in begun else "snapshot"
                row["prevSeqId"] = n - 1 if topic in begun else -1
                begun.add(topic)
        else:
            return []
        return [{**head, "data": [row]}]

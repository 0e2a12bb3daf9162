"""OKX v5, public channels. Source: www.okx.com/docs-v5."""

import json
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price


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
        act = {"subscribe": client.take, "unsubscribe": client.leave}[request["op"]]
        if not act(topics):
            return
        for arg in args:
            client.say({"event": request["op"], "arg": arg, "connId": "a4d3ae55"})

    def breach(self, client: Client, rule: str) -> None:
        if rule == "quiet_s":
            client.close(4004, "No data received in 30s.")
        elif rule == "subscribes":
            client.say({"event": "error", "code": "60014", "msg": "Requests too frequent"})
        else:
            client.say({"event": "error", "code": "60012", "msg": f"Invalid request: {rule}"})

    def ask_to_leave(self, client: Client) -> None:
        text = "The connection will soon be closed for a service upgrade. Please reconnect."
        client.say({"event": "notice", "code": "64008", "msg": text, "connId": "a4d3ae55"})

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
        elif channel == "bbo-tbt":
            row = {"bids": [[price(n), "1", "0", "1"]], "asks": [["300.00", "1", "0", "1"]]}
            row |= {"ts": ms, "seqId": n}
        elif channel == "books":
            snapshot = client.begins(topic)
            head["action"] = "snapshot" if snapshot else "update"
            sides = book(n) if snapshot else ([change(n)], [])
            bids, asks = ([[*level, "0", "1"] for level in side] for side in sides)
            row = {"bids": bids, "asks": asks, "ts": ms, "checksum": 0}
            row |= {"seqId": n, "prevSeqId": -1 if snapshot else n - 1}
        else:
            return []
        return [{**head, "data": [row]}]

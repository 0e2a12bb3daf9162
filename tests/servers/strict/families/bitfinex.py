"""Bitfinex, public. Source: docs.bitfinex.com/docs/ws-general."""

import json
import zlib
from typing import Any

from tests.servers.strict.families.base import Client, Family, now_ms, price

_TIMESTAMP, _SEQ_ALL, _CHECKSUM = 32768, 65536, 131072


class Bitfinex(Family):
    """A channel is asked for by itself and then goes by a number."""

    control_pings = False

    def opened(self, client: Client) -> None:
        client.memory.update(numbers={}, flags=0, seq=0, begun=set())
        client.say({"event": "info", "version": 2, "serverId": "a", "platform": {"status": 1}})

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        event = request["event"]
        if event == "ping":
            client.say({"event": "pong", "ts": now_ms(), "cid": request.get("cid")})
        elif event == "conf":
            client.memory["flags"] = request["flags"]
            client.say({"event": "conf", "status": "OK", "flags": request["flags"]})
        elif event == "subscribe":
            rest = {key: value for key, value in request.items() if key != "event"}
            topic = json.dumps(rest, sort_keys=True)
            if not client.take([topic]):
                return
            number = 1000 + len(client.memory["numbers"])
            client.memory["numbers"][topic] = number
            pair = {"pair": rest["symbol"][1:]} if "symbol" in rest else {}
            client.say({"event": "subscribed", "chanId": number, **rest, **pair})

    def breach(self, client: Client, rule: str) -> None:
        if rule.startswith("topics"):
            error = {"code": 10305, "msg": "Reached limit of open channels"}
            client.say({"event": "error", **error})
        else:
            client.close(1008, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        memory, request = client.memory, json.loads(topic)
        number, ms = memory["numbers"][topic], now_ms()
        begun = topic in memory["begun"]
        memory["begun"].add(topic)
        if request["channel"] == "trades":
            trade = [n, ms, 1.5, float(price(n))]
            bodies: list[list[Any]] = [["te", trade], ["tu", trade]] if begun else [[[trade]]]
        elif request["channel"] == "ticker":
            bodies = [[[99.5, 1, 101.5, 1, 0.5, 0.01, float(price(n)), 10, 200, 90]]]
        elif request["channel"] == "book":
            # One level a side; only the size of the bid changes.
            bodies = [[[100, 1, n]] if begun else [[[100, 1, n], [300, 1, -1]]]]
            if memory["flags"] & _CHECKSUM:
                crc = zlib.crc32(f"100:{n}:300:-1".encode())
                bodies.append(["cs", crc - (1 << 32) if crc >= 1 << 31 else crc])
        else:
            bodies = []
        frames = []
        for body in bodies:
            tail = []
            if memory["flags"] & _SEQ_ALL:
                memory["seq"] += 1
                tail.append(memory["seq"])
            if memory["flags"] & _TIMESTAMP:
                tail.append(ms)
            frames.append([number, *body, *tail])
        return frames

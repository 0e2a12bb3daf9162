"""Bitfinex, public. Source: docs.bitfinex.com/docs/ws-general."""

import json
import zlib
from itertools import zip_longest
from typing import Any

from tests.servers.strict.families.base import Client, Family, book, change, now_ms, price

_TIMESTAMP, _SEQ_ALL, _CHECKSUM = 32768, 65536, 131072


class Bitfinex(Family):
    """A channel is asked for by itself and then goes by a number."""

    control_pings = False

    def opened(self, client: Client) -> None:
        client.memory.update(numbers={}, flags=0, seq=0)
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
            number = client.memory["next"] = client.memory.get("next", 1000) + 1
            client.memory["numbers"][topic] = number
            pair = {"pair": rest["symbol"][1:]} if "symbol" in rest else {}
            client.say({"event": "subscribed", "chanId": number, **rest, **pair})
        elif event == "unsubscribe":
            numbers = client.memory["numbers"]
            topic = next(each for each, number in numbers.items() if number == request["chanId"])
            client.leave([topic])
            client.say({"event": "unsubscribed", "status": "OK", "chanId": numbers.pop(topic)})

    def breach(self, client: Client, rule: str) -> None:
        if rule.startswith("topics"):
            error = {"code": 10305, "msg": "Reached limit of open channels"}
            client.say({"event": "error", **error})
        else:
            client.close(1008, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        memory, request = client.memory, json.loads(topic)
        number, ms = memory["numbers"][topic], now_ms()
        begun = not client.begins(topic)
        if request["channel"] == "trades":
            trade = [n, ms, 1.5, float(price(n))]
            bodies: list[list[Any]] = [["te", trade], ["tu", trade]] if begun else [[[trade]]]
        elif request["channel"] == "ticker":
            bodies = [[[99.5, 1, 101.5, 1, 0.5, 0.01, float(price(n)), 10, 200, 90]]]
        elif request["channel"] == "book":
            bids, ask = [row(level) for level in book(n)[0]], [300, 1, -1]
            bodies = [[row(change(n)) if begun else [*bids, ask]]]
            if memory["flags"] & _CHECKSUM:
                # Of each depth, the bid and then the ask.
                at_depths = zip_longest(bids, [ask])
                levels = [level for pair in at_depths for level in pair if level]
                text = ":".join(f"{level[0]}:{level[2]}" for level in levels)
                crc = zlib.crc32(text.encode())
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


def row(level: tuple[str, str]) -> list[int]:
    """Price, orders, size of a bid: numbers, as JavaScript writes them."""
    return [int(float(level[0])), 1, int(level[1])]

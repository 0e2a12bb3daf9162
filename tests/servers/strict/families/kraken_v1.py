"""Kraken spot v1. Source: docs.kraken.com, spot websocket v1."""

import json
import time
from typing import Any

from tests.servers.strict.families.base import Client, Family, Levels, book, change, price
from tests.servers.strict.families.kraken import checksum


class KrakenV1(Family):
    """Data are lists; an acknowledgement for each pair."""

    control_pings = False
    beat_s = 1.0

    def opened(self, client: Client) -> None:
        status = {"connectionID": 1, "event": "systemStatus", "status": "online"}
        client.say({**status, "version": "1.9.6"})

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        event = request["event"]
        if event == "ping":
            client.say({"event": "pong", "reqid": request.get("reqid")})
            return
        wanted = request["subscription"]
        number = wanted.get("depth", wanted.get("interval"))
        channel = wanted["name"] + (f"-{number}" if number else "")
        topics = [f"{channel}:{pair}" for pair in request["pair"]]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[event]
        if not act(topics):
            return
        for pair in request["pair"]:
            client.say(
                {
                    **{"channelID": 1, "channelName": channel, "event": "subscriptionStatus"},
                    **{"pair": pair, "reqid": request.get("reqid"), "status": f"{event}d"},
                    "subscription": wanted,
                }
            )

    def breach(self, client: Client, rule: str) -> None:
        client.say({"Error": "Exceeded msg rate"})

    def beat(self, client: Client) -> None:
        client.say({"event": "heartbeat"})

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, _, pair = topic.partition(":")
        at = f"{time.time():.6f}"
        if channel == "trade":
            return [[1, [[price(n), "1.50000000", at, "b", "l", ""]], channel, pair]]
        if channel == "spread":
            return [[1, ["99.50", "101.50", at, "1.0", "1.0"], channel, pair]]
        if channel.startswith("book-"):
            if client.begins(topic):
                bids, asks = book(n)
                return [[1, {"as": rows(asks, at), "bs": rows(bids, at)}, channel, pair]]
            sums = {"b": rows([change(n)], at), "c": str(checksum(n))}
            return [[1, sums, channel, pair]]
        return []


def rows(levels: Levels, at: str) -> list[list[str]]:
    return [[price, f"{size}.00000000", at] for price, size in levels]

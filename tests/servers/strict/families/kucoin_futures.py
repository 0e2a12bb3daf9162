"""KuCoin's perpetuals, unified interface. Source: www.kucoin.com/docs-new, websocket API, UTA."""

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

# What tells one subscription to a channel from another.
_CHANNELS = {"trade": "", "ticker": "", "obu": "depth", "mark-price": "", "funding-fee": ""}
_UNTYPED = ("mark-price", "funding-fee")
_PING_S = 1.0  # "dropped if the ping frequency is exceeded once per second"


class KucoinFutures(Family):
    """One topic a request; frames are binary. The client has to ping, but not too often."""

    control_pings = False

    def pack(self, text: str) -> str | bytes:
        return text.encode()

    def opened(self, client: Client) -> None:
        assert self.rules.client_ping is not None
        every_ms = round(self.rules.client_ping[0] * 1000)
        client.say({"sessionId": "s", "message": "welcome", "pingInterval": every_ms})

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        number = client.memory["id"] = request["id"]
        if request.get("type") == "ping":
            now_s = time.monotonic()
            if now_s - client.memory.get("pinged_s", -_PING_S) < _PING_S:
                client.breach("ping_rate", f"more than one in {_PING_S:g} s")
                return
            client.memory["pinged_s"] = now_s
            client.kept_alive()
            client.say({"type": "pong", "id": number, "ts": now_ms() * 1_000_000})
            return
        channel, symbol = request["channel"], request["symbol"]
        if channel not in _UNTYPED and request["tradeType"] != "FUTURES":
            raise ValueError(request["tradeType"])
        between = request[_CHANNELS[channel]] if _CHANNELS[channel] else ""
        topic = ":".join(part for part in (channel, between, symbol) if part)
        act = {"SUBSCRIBE": client.take, "UNSUBSCRIBE": client.leave}[request["action"]]
        if act([topic]):
            client.say({"id": number, "result": True})

    def breach(self, client: Client, rule: str) -> None:
        if rule == "topics_per_connection":
            client.say({"id": client.memory["id"], "result": False, "reason": rule})
        else:
            client.close(1000, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        channel, *between, symbol = topic.split(":")
        ms = now_ms()
        ns = ms * 1_000_000
        head: dict[str, Any] = {"T": f"{channel}.FUTURES", "P": ns}
        data: dict[str, Any] = {"s": symbol, "M": ns}
        if channel == "trade":
            data |= {"p": price(n), "q": "3", "S": "buy", "ti": str(n), "E": n}
        elif channel == "ticker":
            data |= {"l": price(n), "b": "99", "B": "1", "a": "300", "A": "2"}
        elif channel == "obu":
            whole = between == ["1"] or client.begins(topic)
            bids, asks = book(n) if whole else ([change(n)], [])
            head |= {"dp": between[0], "t": "snapshot" if whole else "delta"}
            data |= {"b": bids, "a": asks, "O": n, "C": n}
        elif channel == "mark-price":
            head["T"] = channel
            data = {"s": symbol, "mp": price(n), "ip": "100", "oi": str(n), "ts": ms}
        else:
            head["T"] = channel
            data = {"s": symbol, "fr": f"0.{n:06}", "nt": ms}
        return [{**head, "d": data}]

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        if path != "/api/v1/contracts/active":
            return None
        about = {"type": "FFWCSX", "quoteCurrency": "USDT", "status": "Open", "isInverse": False}
        about |= {"tickSize": 0.01, "lotSize": 1, "multiplier": 0.1, "turnoverOf24h": 5.0}
        rows = [{"symbol": f"{coin}USDTM", "baseCurrency": coin, **about} for coin in LISTED]
        return 3, {"code": "200000", "data": rows}

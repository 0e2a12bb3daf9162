"""KuCoin spot, public. Source: www.kucoin.com/docs-new, websocket API and market data."""

import json
import time
import zlib
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

_VALID_S = 86_400  # "The token is valid for only 24 hours"
_ERRORS = {
    "token": (401, "token is invalid"),
    "topics_per_request": (509, "exceed max subscription count limitation of 100 per time"),
    "topics_per_connection": (509, "exceed max subscription count limitation of 300 per session"),
}


class Kucoin(Family):
    """A connection needs a token, asked for over REST, and the pings that its answer announces."""

    control_pings = False
    posts = frozenset({"/api/v1/bullet-public"})

    def opened(self, client: Client) -> None:
        if not good(client.query.get("token", "")):
            client.breach("token", "none that is ours and not too old")
            return
        client.say({"id": client.query.get("connectId", ""), "type": "welcome"})

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        kind, number = request["type"], request["id"]
        client.memory["id"] = number
        if kind == "ping":
            client.kept_alive()
            client.say({"id": number, "type": "pong", "timestamp": now_ms() * 1000})
            return
        name, _, symbols = request["topic"].partition(":")
        topics = [f"{name}:{symbol}" for symbol in symbols.split(",")]
        act = {"subscribe": client.take, "unsubscribe": client.leave}[kind]
        if act(topics) and request.get("response"):
            client.say({"id": number, "type": "ack"})

    def breach(self, client: Client, rule: str) -> None:
        code, text = _ERRORS.get(rule, (0, ""))
        if code:
            error = {"type": "error", "code": code, "data": text}
            client.say({"id": client.memory.get("id", ""), **error})
        if code != 509:
            client.close(1000, rule)

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        kind, _, symbol = topic.partition(":")
        ms = now_ms()
        if kind == "/market/match":
            subject, data = (
                "trade.l3match",
                {
                    **{"symbol": symbol, "sequence": str(n), "side": "sell", "size": "1.5"},
                    **{"price": price(n), "time": f"{ms}000000", "type": "match"},
                    **{"tradeId": str(n), "takerOrderId": "a", "makerOrderId": "b"},
                },
            )
        elif kind == "/market/ticker":
            subject, data = (
                "trade.ticker",
                {
                    **{"sequence": str(n), "price": price(n), "size": "1", "time": ms},
                    **{
                        "bestBid": "99",
                        "bestBidSize": str(n),
                        "bestAsk": "300",
                        "bestAskSize": "1",
                    },
                },
            )
        elif kind == "/market/level2":
            changes = {"bids": [[*change(n), str(n)]], "asks": []}
            subject, data = (
                "trade.l2update",
                {
                    **{"symbol": symbol, "sequenceStart": n, "sequenceEnd": n, "time": ms},
                    "changes": changes,
                },
            )
        elif kind == "/market/snapshot":
            day = {
                **{"symbol": symbol, "datetime": ms, "lastTradedPrice": float(price(n))},
                **{"open": 100, "high": 200, "low": 90, "vol": 10, "volValue": 1000},
                **{"buy": 99, "sell": 300},
            }
            subject, data = "trade.snapshot", {"sequence": str(n), "data": day}
        else:
            return []
        return [{"type": "message", "topic": topic, "subject": subject, "data": data}]

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        found = self._found(path, query, sent)
        return found and (found[0], {"code": "200000", "data": found[1]})

    def _found(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        if path == "/api/v1/bullet-public":
            assert self.rules.client_ping is not None
            every_ms, late_ms = (round(s * 1000) for s in self.rules.client_ping)
            server = {
                **{"endpoint": "wss://ws-api-spot.kucoin.com/", "encrypt": True},
                **{"protocol": "websocket", "pingInterval": every_ms, "pingTimeout": late_ms},
            }
            return 10, {"token": token(time.time()), "instanceServers": [server]}
        if path == "/api/v1/market/orderbook/level2_100":
            n = sent.get(f"/market/level2:{query['symbol']}", 0)
            bids, asks = book(n)
            return 4, {"sequence": str(n), "time": now_ms(), "bids": bids, "asks": asks}
        if path == "/api/v1/symbols":
            return 4, [
                {
                    **{"symbol": f"{base}-USDT", "baseCurrency": base, "quoteCurrency": "USDT"},
                    **{"priceIncrement": "0.01", "baseIncrement": "0.1", "enableTrading": True},
                }
                for base in LISTED
            ]
        if path == "/api/v1/market/allTickers":
            return 15, {"ticker": [{"symbol": f"{base}-USDT", "volValue": "5"} for base in LISTED]}
        return None


def token(at_s: float) -> str:
    """One that any of these servers takes: it may be another by then."""
    text = str(int(at_s))
    return f"{text}+{zlib.crc32(text.encode())}/=="


def good(text: str) -> bool:
    at, _, _ = text.partition("+")
    return at.isdigit() and text == token(int(at)) and time.time() - int(at) < _VALID_S

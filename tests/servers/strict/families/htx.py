"""HTX spot and its two contract markets. Source: www.htx.com/en-us/opend/newApiPages."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

from tests.servers.strict.families.base import (
    LISTED,
    Client,
    Family,
    Levels,
    book,
    change,
    now_ms,
    price,
)

Numbers = list[list[float]]


def numbers(levels: Levels) -> Numbers:
    """Prices and sizes as JSON has them here."""
    return [[float(price), int(size)] for price, size in levels]


class Htx(Family):
    """All is gzip, prices are JSON numbers. The server pings, and wants its number back."""

    control_pings = False

    def pack(self, text: str) -> str | bytes:
        return gzip.compress(text.encode(), compresslevel=1, mtime=0)

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        if "pong" in request:
            self._ponged(client, request["pong"])
            return
        op = "sub" if "sub" in request else "unsub"
        act = {"sub": client.take, "unsub": client.leave}[op]
        topics = request[op] if isinstance(request[op], list) else [request[op]]
        if self._at_home(client, topics[0]) and act(topics):
            done = {"status": "ok", f"{op}bed": topics[0], "ts": now_ms()}
            client.say({"id": request.get("id"), **done})

    def ping(self, client: Client) -> None:
        client.say({"ping": self._number(client)})
        client.pinged()

    def _number(self, client: Client) -> int:
        """Of a ping; one of the latest two is to come back."""
        ms = now_ms()
        client.memory["pings"] = [*client.memory.get("pings", []), ms][-2:]
        return ms

    def _ponged(self, client: Client, number: int) -> None:
        if number not in client.memory.get("pings", []):
            raise ValueError("no ping had that number")
        client.answered()

    def _at_home(self, client: Client, topic: str) -> bool:
        path = self.path_of(topic)
        if client.path != path:
            client.breach("wrong_path", f"{topic} at {client.path}")
        return client.path == path

    def path_of(self, topic: str) -> str:
        """Where a topic is served."""
        return "/ws"

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        tick = self.tick(topic.split(".", 2)[2], n, client, topic)
        return [] if tick is None else [{"ch": topic, "ts": now_ms(), "tick": tick}]

    def tick(self, kind: str, n: int, client: Client, topic: str) -> dict[str, Any] | None:
        ms = now_ms()
        if kind == "trade.detail":
            trade = {"id": n, "tradeId": n, "ts": ms, "amount": 1.5, "price": float(price(n))}
            return {"id": n, "ts": ms, "data": [{**trade, "direction": "buy"}]}
        if kind == "depth.step0":
            bids, asks = map(numbers, book(n))
            return {"bids": bids, "asks": asks, "version": n, "ts": ms}
        if kind == "bbo":
            sides = {"bid": 99.5, "bidSize": n, "ask": 300, "askSize": 1}
            return {"seqId": n, **sides, "quoteTime": ms, "symbol": topic.split(".")[1]}
        if kind == "ticker":
            return {
                **{"open": 100, "high": 200, "low": 90, "close": 100, "amount": 10, "vol": 1000},
                **{"count": n, "bid": 99, "bidSize": 1, "ask": 300, "askSize": 1},
                **{"lastPrice": float(price(n)), "lastSize": 1},
            }
        return None

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        pairs = [(base.lower(), "usdt") for base in LISTED]
        if path == "/v1/common/symbols":
            rows: list[dict[str, Any]] = [
                {
                    **{"symbol": base + quote, "base-currency": base, "quote-currency": quote},
                    **{"price-precision": 2, "amount-precision": 1, "state": "online"},
                    "api-trading": "enabled",
                }
                for base, quote in pairs
            ]
        elif path == "/market/tickers":
            rows = [{"symbol": base + quote, "vol": 5} for base, quote in pairs]
        else:
            return None
        return 1, {"status": "ok", "data": rows}


class HtxUsdm(Htx):
    """Market data, index and notifications at a path each; the last in a dialect of its own."""

    quote = "USDT"
    market, notifications = "/linear-swap-ws", "/linear-swap-notification"
    contracts = "/linear-swap-api/v1/swap_contract_info"
    tickers = "/v2/linear-swap-ex/market/detail/batch_merged"

    def received(self, client: Client, text: str) -> None:
        request = json.loads(text)
        op, topic = request.get("op"), request.get("topic")
        if op is None:
            super().received(client, text)
        elif op == "pong":
            self._ponged(client, int(request["ts"]))
        elif self._at_home(client, topic):
            act = {"sub": client.take, "unsub": client.leave}[op]
            if act([topic]):
                client.say({**request, "ts": now_ms(), "err-code": 0})

    def ping(self, client: Client) -> None:
        if client.path != self.notifications:
            super().ping(client)
            return
        client.say({"op": "ping", "ts": str(self._number(client))})
        client.pinged()

    def path_of(self, topic: str) -> str:
        if topic.startswith("public."):
            return self.notifications
        return "/ws_index" if ".mark_price." in topic else self.market

    def data(self, topic: str, n: int, client: Client) -> list[Any]:
        if not topic.startswith("public."):
            return super().data(topic, n, client)
        _, contract, kind = topic.split(".")
        if kind != "funding_rate":
            return []
        row = {"contract_code": contract, "funding_rate": f"0.{n:06}", "symbol": contract}
        return [{"op": "notify", "topic": topic, "ts": now_ms(), "data": [row]}]

    def tick(self, kind: str, n: int, client: Client, topic: str) -> dict[str, Any] | None:
        ms = now_ms()
        if kind == "depth.size_150.high_freq":
            begins = client.begins(topic)
            bids, asks = map(numbers, book(n) if begins else ([change(n)], []))
            event = "snapshot" if begins else "update"
            return {"bids": bids, "asks": asks, "event": event, "version": n, "ts": ms}
        if kind == "bbo":
            return {"bid": [99.5, n], "ask": [300, 1], "ts": ms, "version": n}
        if kind == "detail":
            return {
                **{"open": 100, "high": 200, "low": 90, "close": float(price(n)), "vol": 1000},
                **{"count": n, "trade_turnover": 5.5, "bid": [99, 1], "ask": [300, 1]},
            }
        if kind == "mark_price.1min":
            return {"close": price(n)}
        return super().tick(kind, n, client, topic)

    def rest(
        self, path: str, query: dict[str, str], sent: Mapping[str, int]
    ) -> tuple[int, Any] | None:
        codes = [f"{base}-{self.quote}" for base in LISTED]
        if path == self.contracts:
            about = {"contract_size": 1, "price_tick": 0.01, "contract_status": 1}
            rows = [{"contract_code": code, "contract_type": "swap", **about} for code in codes]
            return 1, {"status": "ok", "data": rows, "ts": now_ms()}
        if path == self.tickers:
            ticks = [{"contract_code": code, "trade_turnover": "5"} for code in codes]
            return 1, {"status": "ok", "ticks": ticks, "ts": now_ms()}
        return None


class HtxCoinm(HtxUsdm):
    """As the other, against USD."""

    quote = "USD"
    market, notifications = "/swap-ws", "/swap-notification"
    contracts = "/swap-api/v1/swap_contract_info"
    tickers = "/v2/swap-ex/market/detail/batch_merged"

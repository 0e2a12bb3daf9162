"""Instruments whose every message follows from its number, so that anybody can check it. Pure.

Trades, best prices and updates of a book are each numbered one by one. A message's
content is a function of instrument and number; that of a book is remembered as a hash
for each number, so that a book rebuilt by a reader can be compared with the venue's.
"""

import json
from typing import Any

BASE_MS = 1_700_000_000_000  # the venue's clock at number 0; a millisecond for each number
SPAN = 3  # numbers that one update of a book covers: `U` to `u`
_LEVELS = 40  # a side


def _mixed(number: int, salt: int) -> int:
    """Some bits that depend on both."""
    bits = (number * 0x9E3779B97F4A7C15 + salt * 0xC2B2AE3D27D4EB4F) & 0xFFFFFFFFFFFFFFFF
    bits ^= bits >> 29
    return (bits * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF) >> 32


def level_hash(side: str, price: str, size: str) -> int:
    """What a level adds to (XOR) its book's hash; of this process only."""
    return hash((side, price, size))


class Instrument:
    """One pair, such as BTC-USDT, and what the venue has said of it so far."""

    def __init__(self, name: str, salt: int) -> None:
        self.name = name
        self.symbol = name.replace("-", "")
        self._salt = salt
        self.trades = 0  # the last number of each kind
        self.quotes = 0
        self.updates = 0  # of the book, each of `SPAN` numbers
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self._hash = 0
        self.hashes = {0: 0}  # of the book, by `seq`

    # -- what a message is -------------------------------------------------------

    def trade(self, number: int) -> dict[str, str]:
        """The fields of a trade's entry, but for our clock."""
        bits = _mixed(number, self._salt)
        return {
            "price": f"{100 + bits % 1000}.{bits % 97:02}",
            "size": f"0.{1 + bits % 9999:04}",
            "side": "sell" if bits & 1 else "buy",
            "id": str(number),
            "ts": f"{BASE_MS + number}000000",
        }

    def quote(self, number: int) -> dict[str, str]:
        """The same of a best bid and ask."""
        bits = _mixed(number, self._salt + 1)
        bid = 100 + bits % 1000
        return {
            "bid": f"{bid}.{bits % 90:02}",
            "bid_size": f"{1 + bits % 7}.5",
            "ask": f"{bid + 1}.{bits % 89:02}",
            "ask_size": f"{1 + bits % 5}.25",
            "seq": str(number),
        }

    def update(self, index: int) -> dict[str, Any]:
        """The same of an update of the book; its levels as lists."""
        sides: dict[str, list[list[str]]] = {"b": [], "a": []}
        for part in range(2):
            bits = _mixed(index * 2 + part, self._salt + 2)
            side = "ba"[bits & 1]
            level = (bits >> 1) % _LEVELS
            price = f"{500 - level if side == 'b' else 501 + level}.10"
            size = "0.00" if bits % 5 == 0 else f"{1 + (bits >> 8) % 99}.75"
            # One word on each level.
            if all(price != known for known, _ in sides[side]):
                sides[side].append([price, size])
        return {
            "bids": sides["b"],
            "asks": sides["a"],
            "seq": str(index * SPAN),
            "first_seq": str(index * SPAN - SPAN + 1),
            "ts": f"{BASE_MS + index}000000",
        }

    # -- time goes on --------------------------------------------------------------

    def next_trade(self) -> bytes:
        """The next message on `@trade`."""
        self.trades += 1
        t = self.trade(self.trades)
        return (
            f'{{"stream":"{self.symbol.lower()}@trade","data":{{"e":"trade","E":{t["ts"][:-6]},'
            f'"s":"{self.symbol}","t":{t["id"]},"p":"{t["price"]}","q":"{t["size"]}",'
            f'"T":{t["ts"][:-6]},"m":{"true" if t["side"] == "sell" else "false"},"M":true}}}}'
        ).encode()

    def next_quote(self) -> bytes:
        """The next message on `@bookTicker`."""
        self.quotes += 1
        q = self.quote(self.quotes)
        return (
            f'{{"stream":"{self.symbol.lower()}@bookTicker","data":{{"u":{q["seq"]},'
            f'"s":"{self.symbol}","b":"{q["bid"]}","B":"{q["bid_size"]}",'
            f'"a":"{q["ask"]}","A":"{q["ask_size"]}"}}}}'
        ).encode()

    def next_update(self) -> bytes:
        """The next message on `@depth@100ms`."""
        self.updates += 1
        u = self.update(self.updates)
        for side, levels in (("b", u["bids"]), ("a", u["asks"])):
            self._hash ^= apply(self.sides[side], side, levels)
        self.hashes[int(u["seq"])] = self._hash
        return (
            f'{{"stream":"{self.symbol.lower()}@depth@100ms","data":{{"e":"depthUpdate",'
            f'"E":{u["ts"][:-6]},"s":"{self.symbol}","U":{u["first_seq"]},"u":{u["seq"]},'
            f'"b":{json.dumps(u["bids"])},"a":{json.dumps(u["asks"])}}}}}'
        ).encode()

    # -- what may be asked for -------------------------------------------------------

    def snapshot(self) -> bytes:
        """The answer of `/depth`."""
        bids, asks = (
            sorted(self.sides[side].items(), key=lambda level: float(level[0]), reverse=side == "b")
            for side in "ba"
        )
        return json.dumps(
            {"lastUpdateId": self.updates * SPAN, "bids": bids, "asks": asks}
        ).encode()

    def past_trades(self, first: int, limit: int) -> bytes:
        """The answer of `/historicalTrades`."""
        found = []
        for number in range(max(1, first), min(self.trades, first + limit - 1) + 1):
            t = self.trade(number)
            found.append(
                {
                    **{"id": number, "price": t["price"], "qty": t["size"], "quoteQty": "1"},
                    **{"time": int(t["ts"][:-6]), "isBuyerMaker": t["side"] == "sell"},
                    "isBestMatch": True,
                }
            )
        return json.dumps(found).encode()


def apply(levels: dict[str, str], side: str, changes: list[list[str]]) -> int:
    """Change a side of a book; return what that changes (XOR) in the book's hash."""
    changed = 0
    for price, size in changes:
        old = levels.pop(price, None)
        if old is not None:
            changed ^= level_hash(side, price, old)
        if float(size):
            levels[price] = size
            changed ^= level_hash(side, price, size)
    return changed

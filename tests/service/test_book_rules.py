"""A thousand books on four workers, at a venue that enforces its limits.

They begin, lose an update of all of them at once, are cut off from everything, and then
from a venue that is killed; each time every book has to be whole again, and no rule
broken: neither of REST, where snapshots are asked for, nor of messages, where books are
left and subscribed to anew.

Without `-m long` windows are scaled down, on both sides; with it they are the real ones,
which takes minutes each.
"""

import json
import time
from typing import Any

import pytest

from tests.servers.strict.families.base import is_whole
from tests.service.test_venue_rules import Case, connected, start

RATE = 0.5  # updates of a book per second
AWAY_S = 2.0

SCALED = [
    # 6000 in 60 s become 30,000 in 15 s: of the first thousand books 600 come at once, the
    # others when that is over.
    Case(
        "binance",
        channels=("book",),
        topics_per_connection=125,
        limits={"rest": (30_000, 15.0)},
        rules={"rest": [30_000, 15.0], "ban_s": 15.0},
        patience_s=120,
    ),
    # As published: 100 messages a second on each connection.
    Case("crypto-com", "C{:04}-USD", ("book",), topics_per_connection=250, patience_s=120),
]
REAL = [
    # Snapshots over REST.
    Case("binance", channels=("book",), topics_per_connection=250, patience_s=900),
    Case("binance-usdm", "C{:04}-USDT-PERP", ("book",), topics_per_connection=250, patience_s=900),
    Case("binance-coinm", "C{:04}-USD-PERP", ("book",), patience_s=900),
    Case("bitstamp", "C{:04}-USD", ("book",), topics_per_connection=250, patience_s=600),
    # Beside the tickets of forty connections.
    Case("kucoin", channels=("book",), topics_per_connection=25, patience_s=600),
    Case("gateio", channels=("book",), topics_per_connection=50, patience_s=600),
    # Snapshots by subscribing anew.
    Case("htx-usdm", "C{:04}-USDT-PERP", ("book",), patience_s=300),
    Case("htx-coinm", "C{:04}-USD-PERP", ("book",), patience_s=300),
    Case("okx", channels=("book",), topics_per_connection=250, patience_s=180),
    Case("kraken", "C{:04}-USD", ("book",), patience_s=300),
    Case("kraken-v1", "C{:04}-USD", ("book",), patience_s=300),
    Case("bybit", channels=("book",), topics_per_connection=250, patience_s=300),
    Case("bitfinex", "C{:04}-USD", ("book",), patience_s=600),
    Case("deribit", "C{:04}-USDC-PERP", ("book",), topics_per_connection=250, patience_s=300),
    Case("crypto-com", "C{:04}-USD", ("book",), topics_per_connection=250, patience_s=180),
    Case("coinbase-advanced", "C{:04}-USD", ("book",), patience_s=300),
    # Nothing shows a loss: only what comes after an outage is looked at.
    Case("htx", channels=("book",), patience_s=300),
    Case(
        *("bitmex", "C{:04}-USDT-PERP", ("book",)),
        limits={"connects": (20, 30.0)},
        rules={"connects": [["window", 20, 30.0]]},
        patience_s=300,
    ),
    Case("gemini", "C{:04}-USD", ("book",), patience_s=300),
    Case("coinbase", "C{:04}-USD", ("book",), topics_per_connection=20, patience_s=300),
    Case("hyperliquid", "C{:04}-USDC-PERP", ("book",), topics_per_connection=125, patience_s=300),
]
# A lost update is the venue's secret, or the next one mends it.
HIDDEN = ("bitmex", "bitstamp", "coinbase", "gemini", "htx", "hyperliquid")


class Books:
    """Every book as a reader of its stream has it."""

    def __init__(self, streams: Any, case: Case) -> None:
        self._client = streams.client
        self._read = {f"md:{case.family}:book:{name}": "0-0" for name in case.instruments}
        self._bids: dict[str, dict[str, str] | None] = dict.fromkeys(self._read)
        self.gaps = dict.fromkeys(self._read, 0)

    def read(self) -> None:
        """Read on to the end."""
        while found := self._client.xread(self._read, count=1000):
            for key, entries in found:
                for self._read[key], fields in entries:
                    self._apply(key, fields)

    def broken(self) -> list[str]:
        """Return the keys of those that are not whole."""
        return [key for key, bids in self._bids.items() if bids is None or not is_whole(bids)]

    def _apply(self, key: str, fields: dict[str, str]) -> None:
        bids = self._bids[key]
        match fields["type"]:
            case "gap" | "reset":
                self._bids[key] = None
                self.gaps[key] += fields["type"] == "gap"
            case "snapshot":
                self._bids[key] = dict(json.loads(fields["bids"]))
            case "delta" if bids is not None:
                bids.update(json.loads(fields["bids"]))


def until_whole(books: Books, case: Case, gaps: int, service: Any, venue: Any) -> float:
    """Wait until all are, and each has had as many gaps; return how long it took."""
    began = time.monotonic()
    while True:
        books.read()
        broken = books.broken()
        if not broken and min(books.gaps.values()) >= gaps:
            return round(time.monotonic() - began, 1)
        report = venue.report()
        assert report["violations"] == []
        assert service.process.poll() is None, service.text()
        late = time.monotonic() - began > case.patience_s
        assert not late, (len(broken), broken[:5], min(books.gaps.values()), report)
        time.sleep(0.5)


@pytest.mark.parametrize(
    "case",
    [
        *(pytest.param(case, id=case.family) for case in SCALED),
        *(
            pytest.param(case, id=f"{case.family}, real limits", marks=pytest.mark.long)
            for case in REAL
        ),
    ],
)
def test_books_without_breaking_a_rule(
    kit: Any, own_streams: Any, record_property: Any, case: Case
) -> None:
    """Whole at first, after a loss in all of them, an outage, and, with real limits, a venue
    that was killed.
    """
    venue = kit.strict(case.family, rules=case.rules, rate=RATE)
    service = start(kit, own_streams, case, venue)
    books, took = Books(own_streams, case), {}

    took["begun"] = until_whole(books, case, 0, service, venue)
    assert len(service.workers()) == 4
    gaps = 0
    if case.family not in HIDDEN:
        venue.tell("lose")
        gaps += 1
        took["after a loss"] = until_whole(books, case, gaps, service, venue)
    venue.tell(f"outage {AWAY_S}")
    gaps += 1
    took["after an outage"] = until_whole(books, case, gaps, service, venue)
    before = venue.report()
    assert before["violations"] == []
    if case in REAL:
        venue.process.kill()
        venue.process.wait()
        time.sleep(AWAY_S)
        venue = kit.strict(case.family, port=venue.port, rules=case.rules, rate=RATE)
        gaps += 1
        took["after its end"] = until_whole(books, case, gaps, service, venue)
    topics = len(case.instruments)
    venue.until(lambda report: connected(service, report, topics), case.patience_s)
    totals, after = service.stop(), venue.report()

    assert after["violations"] == []
    assert totals["decode_errors"] == {}
    shown = {
        "connections": before["open"],
        "took_s": took,
        "peaks": before["peaks"],
    }
    record_property(case.family, shown)
    print(case.family, shown)

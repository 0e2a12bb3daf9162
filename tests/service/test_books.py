"""A book that lost an update is begun anew, and costs nobody else anything."""

from itertools import pairwise
from typing import Any

BTC, ETH = "md:okx:book:BTC-USDT", "md:okx:book:ETH-USDT"


def check_continuous(entries: list[dict[str, str]]) -> None:
    """A snapshot, then updates of which each follows the one before."""
    assert [entry["type"] for entry in entries] == ["snapshot"] + ["delta"] * (len(entries) - 1)
    for before, entry in pairwise(entries):
        assert entry["prev_seq"] == before["seq"]


def test_a_lost_update(kit: Any, own_streams: Any) -> None:
    """A gap and its end in that stream; its topic alone is left and asked for anew."""
    venue = kit.okx_books()
    service = kit.service(
        own_streams.url,
        {"venue": "okx", "channels": ["book"], "instruments": ["BTC-USDT", "ETH-USDT"]},
        venues={"okx": {"ws_url": venue.url}},
    )
    service.wait("feed: subscribed")
    own_streams.wait(BTC, lambda e: e["type"] == "delta")
    venue.tell("lose BTC-USDT")
    lost = venue.wait("lost")["seq"]
    resumed = own_streams.wait(BTC, lambda e: e["type"] == "resume")
    own_streams.wait(BTC, lambda e: e["type"] == "delta", resumed)
    totals = service.stop()
    last = venue.wait("gone")["last"]

    btc = own_streams.entries(BTC)
    types = [entry["type"] for entry in btc]
    gap, resume = types.index("gap"), types.index("resume")
    assert (types.count("gap"), types.count("resume")) == (1, 1)
    assert {k: v for k, v in btc[gap].items() if k != "rx"} == {
        **{"type": "gap", "reason": "sequence"},
        **{"from_seq": str(lost), "to_seq": str(lost)},
    }
    assert btc[resume]["reason"] == "snapshot"
    check_continuous(btc[:gap])
    assert btc[gap - 1]["seq"] == str(lost - 1)
    # Until the venue has answered, the updates of the old subscription go out as they come.
    assert [int(e["seq"]) for e in btc[gap + 1 : resume]] == [
        lost + 1 + number for number in range(resume - gap - 1)
    ]
    check_continuous(btc[resume + 1 :])
    assert btc[-1]["seq"] == str(last["BTC-USDT"])

    eth = own_streams.entries(ETH)
    check_continuous(eth)
    assert [int(e["seq"]) for e in eth] == list(range(101, last["ETH-USDT"] + 1))

    requests = [(r["n"], r["op"], r["books"]) for r in venue.all("request")]
    assert requests == [
        (1, "subscribe", ["BTC-USDT", "ETH-USDT"]),
        (1, "unsubscribe", ["BTC-USDT"]),
        (1, "subscribe", ["BTC-USDT"]),
    ]
    assert totals["connects"] == 1
    assert totals["disconnects"] == totals["decode_errors"] == totals["dropped"] == {}
    assert not [line for line in service.lines if line["level"] in ("error", "critical")]


def test_a_book_that_is_lost_again(kit: Any, own_streams: Any) -> None:
    """Each loss has its marks; the other book on the connection does not notice."""
    venue = kit.okx_books()
    service = kit.service(
        own_streams.url,
        {"venue": "okx", "channels": ["book"], "instruments": ["BTC-USDT", "ETH-USDT"]},
        venues={"okx": {"ws_url": venue.url}},
    )
    service.wait("feed: subscribed")
    at = own_streams.wait(BTC, lambda e: e["type"] == "delta")
    for _ in range(3):
        venue.tell("lose BTC-USDT")
        at = own_streams.wait(BTC, lambda e: e["type"] == "resume", at)
        at = own_streams.wait(BTC, lambda e: e["type"] == "delta", at)
    totals = service.stop()

    marks = [e["type"] for e in own_streams.entries(BTC) if e["type"] in ("gap", "resume")]
    assert marks == ["gap", "resume"] * 3
    check_continuous(own_streams.entries(ETH))
    assert [r["op"] for r in venue.all("request")] == [
        "subscribe",
        *["unsubscribe", "subscribe"] * 3,
    ]
    assert totals["connects"] == 1

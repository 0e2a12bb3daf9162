"""What the venue answers to our requests."""

from typing import Any


def test_refused_topics(kit: Any, own_streams: Any) -> None:
    """OKX refuses what it does not know: one line says so, the rest is fed."""
    replay = kit.replay("--speed", "max")
    unknown = [f"NO{number}-USDT" for number in range(50)]
    service = kit.service(
        own_streams.url,
        {"venue": "okx", "channels": ["ticker"], "instruments": ["ZEN-USDT", *unknown]},
        venues={"okx": {"ws_url": replay.urls["okx"]}},
    )
    subscribed = service.wait("feed: subscribed")
    refused = service.wait("feed: topics refused")
    own_streams.wait("md:okx:ticker:ZEN-USDT", lambda e: "last" in e)
    service.stop()

    assert (subscribed["topics"], subscribed["active"]) == (51, 1)
    assert refused["topics"] == 50
    assert "tickers:NO0-USDT" in refused["names"]
    assert "doesn't exist" in refused["said"]
    [event] = [e for e in own_streams.entries("md:okx:feed:okx-1") if e["type"] == "refused"]
    assert "tickers:NO0-USDT" in event["detail"]
    assert len([line for line in service.lines if line["level"] in ("warning", "error")]) == 1


def test_answers_out_of_order(kit: Any, own_streams: Any) -> None:
    """Three requests, answered last first; the next connection asks for all of it again."""
    instruments = [f"A{number}-USDT" for number in range(201)]
    venue = kit.venue([["handshake"], ["ack", 3], ["data", 1], ["gate"], ["fin"]], [["serve"]])
    service = kit.service(
        own_streams.url,
        {"venue": "binance", "channels": ["trade"], "instruments": instruments},
        venues={"binance": {"ws_url": venue.url}},
    )
    service.wait("feed: subscribed")
    venue.tell("go")
    service.wait("feed: subscribed", times=2)
    totals = service.stop()

    first, second = service.all("feed: subscribed")
    assert first["active"] == second["active"] == 201
    assert second["away_s"] > 0
    assert totals["disconnects"] == {"close_1006": 1}
    assert [line["topics"] for line in venue.all("request", n=1)] == [100, 100, 1]


def test_one_refused_topic_in_a_request(kit: Any, own_streams: Any) -> None:
    """The venue refuses the request as a whole: its halves are tried, the culprit is found."""
    refuse = ["refuse", "Invalid request"]
    venue = kit.venue(
        [["handshake"], refuse, refuse, ["ack"], ["data", 3], ["stay"]],
    )
    service = kit.service(
        own_streams.url,
        {
            "venue": "binance",
            "channels": ["trade"],
            "instruments": ["BAD-USDT", "ETH-USDT", "BTC-USDT"],
        },
        venues={"binance": {"ws_url": venue.url}},
    )
    service.wait("feed: subscribed", active=2)
    own_streams.wait("md:binance:trade:BTC-USDT", lambda e: e.get("id") == "3")
    service.stop()

    assert service.wait("feed: topics refused")["names"] == "badusdt@trade"
    assert {line["topics"] for line in venue.all("request")} == {3, 1, 2}
    assert len(own_streams.data("md:binance:trade:ETH-USDT")) == 3

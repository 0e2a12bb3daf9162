"""What is used and banned, kept for the next service."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from ingest.limits import Broker, Lane, local_gate, memory
from ingest.limits.memory import Remembered, load, recall, remembered, remembering

REST = Lane("rest", "binance", "h:443")
CONNECT = Lane("connect", "binance", "w:443")
HOUR_NS = 3600 * 10**9
NOW_NS = 10**18


def broker() -> Broker:
    return Broker(lambda lane: (10, 100.0))


def used(ns: int = NOW_NS) -> Remembered:
    """Nine of ten REST weights in two goes, one attempt; banned for 50 s."""
    before = broker()
    for number, (lane, weight, at_s) in enumerate(
        [(REST, 4, 1000.0), (REST, 5, 1040.0), (CONNECT, 1, 1040.0)]
    ):
        before.turns.ask((0, number), lane, weight)
        assert before.turns.due(at_s) == [(0, number)]
    before.turns.ban("b:443", 1100.0)
    before.turns.ban("over:443", 1049.0)
    kept = remembered(before, 1050.0, ns)
    return msgspec.json.decode(msgspec.json.encode(kept), type=Remembered)


async def test_a_restart_changes_nothing() -> None:
    """Ten seconds later by the wall clock; the new process's own clock is another."""
    after = broker()
    with capture_logs() as lines:
        recall(after, used(), 7.0, NOW_NS + 10 * 10**9)
    after.turns.ask((0, 0), REST, 2)
    assert after.turns.due(7.0) == []
    assert after.turns.next_in_s(7.0) == pytest.approx(40.0)
    after.turns.ask((0, 1), CONNECT, 1)
    assert after.turns.due(7.0) == [(0, 1)]
    assert after.turns.banned == {"b:443": pytest.approx(47.0)}
    assert [(line["host"], line["for_s"]) for line in lines] == [("b:443", 40.0)]
    # And one more, of what nobody has asked for since.
    third = broker()
    recall(third, remembered(after, 8.0, NOW_NS + 11 * 10**9), 50.0, NOW_NS + 12 * 10**9)
    third.turns.ask((0, 0), REST, 2)
    assert third.turns.next_in_s(50.0) == pytest.approx(38.0)


@pytest.mark.parametrize(("hours", "banned"), [(1, False), (80, False), (-1, True)])
async def test_of_another_time(hours: int, banned: bool) -> None:
    """Old news is none; news of the future are as of now: the clock was set back."""
    after = broker()
    recall(after, used(), 7.0, NOW_NS + hours * HOUR_NS)
    after.turns.ask((0, 0), REST, 10)
    assert after.turns.due(7.0) == ([] if banned else [(0, 0)])
    assert bool(after.turns.banned) == banned
    if banned:
        assert after.turns.next_in_s(7.0) == pytest.approx(90.0)
        assert after.turns.banned["b:443"] == pytest.approx(57.0)


async def test_many_small_ones() -> None:
    """Are kept by the second; none is lost, and none ends sooner."""
    before = Broker(lambda lane: (10_000, 60.0))
    for number in range(3000):
        before.turns.ask((0, number), REST, 1)
        before.turns.due(100.0 + number / 100)
    kept = remembered(before, 130.0, NOW_NS)
    [rest] = kept.used
    assert len(rest.uses) <= 31
    assert sum(weight for _, weight in rest.uses) == 3000
    assert rest.uses[-1][0] <= NOW_NS


async def test_soon_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows when we are killed; at the end it is written once more."""
    monkeypatch.setattr(memory, "_WRITE_EVERY_S", 0.01)
    path = tmp_path / "data" / "limits.json"
    first = Broker(lambda lane: (1, 100.0))
    async with remembering(first, path.parent):
        await local_gate(first).turn(REST, timeout_s=1)
        async with asyncio.timeout(5):
            while load(path) is None:
                await asyncio.sleep(0.001)
        killed = load(path)
        local_gate(first).tell(CONNECT, stay_away_s=1000.0)
    assert killed is not None
    assert [used.counted.kind for used in killed.used] == ["rest"]

    second = Broker(lambda lane: (1, 100.0))
    async with remembering(second, path.parent):
        for lane in (REST, CONNECT):
            with pytest.raises(TimeoutError):
                await local_gate(second).turn(lane, timeout_s=0.01)
    assert [file.name for file in path.parent.iterdir()] == ["limits.json"]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"saved_ns": "x"}', b"\xff" * 99])
async def test_a_broken_file(tmp_path: Path, content: bytes) -> None:
    """Is logged and replaced."""
    path = tmp_path / "limits.json"
    path.write_bytes(content)
    with capture_logs() as lines:
        async with remembering(broker(), tmp_path):
            pass
    assert [line["log_level"] for line in lines] == ["error"]
    assert load(path) is not None


async def test_no_place_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once while it lasts; turns are given all the same."""
    monkeypatch.setattr(memory, "_WRITE_EVERY_S", 0.001)
    (tmp_path / "file").write_text("")
    gate_of = broker()
    with capture_logs() as lines:
        async with remembering(gate_of, tmp_path / "file"):
            async with asyncio.timeout(5):
                for number in range(20):
                    local_gate(gate_of).tell(REST, stay_away_s=number + 1.0)
                    while gate_of.changed.is_set():
                        await asyncio.sleep(0.001)
    failed = [line for line in lines if line["event"] == "limits: not kept on disk"]
    assert len(failed) == 2  # the first, and the one at the end

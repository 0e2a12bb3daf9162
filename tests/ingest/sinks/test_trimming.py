"""Trimming by age: whose turn it is, and what a server does about it."""

import time

import pytest

from ingest.sinks.trimming import Trimming


def test_each_stream_has_its_turn_once_a_round_and_not_all_at_once() -> None:
    trimming = Trimming(600.0, 0.0, 0.0)  # rounds of a minute
    keys = [f"s{i}" for i in range(30)]
    for key in keys:
        trimming.add(key)
    turns = []
    for second in range(1, 61):
        due = trimming.due(float(second))
        assert len(due) <= 1
        turns += due
    assert turns == keys


@pytest.mark.parametrize(("max_age_s", "round_s"), [(5.0, 1.0), (100.0, 10.0), (1e6, 60.0)])
def test_a_round_is_a_tenth_of_the_age_within_limits(max_age_s: float, round_s: float) -> None:
    trimming = Trimming(max_age_s, 0.0, 0.0)
    trimming.add("s")
    assert trimming.due(round_s * 0.99) == []
    assert trimming.due(round_s * 1.01) == ["s"]


def test_many_streams_are_done_in_portions() -> None:
    """Also after a time in which nothing could be done."""
    trimming = Trimming(1.0, 0.0, 0.0)
    for i in range(1000):
        trimming.add(f"s{i}")
    assert len(trimming.due(0.01)) == 10
    assert len(trimming.due(100.0)) == 64
    assert trimming.due(100.0) == []


def test_one_stream_is_not_done_twice_after_a_pause() -> None:
    trimming = Trimming(1.0, 0.0, 0.0)
    trimming.add("a")
    trimming.add("b")
    assert trimming.due(50.0) == ["a", "b"]


def test_waiting_for_a_turn() -> None:
    trimming = Trimming(600.0, 0.0, 0.0)
    assert trimming.wait_s(0.0) is None
    trimming.add("s")
    assert trimming.wait_s(20.0) == 40.0
    assert trimming.wait_s(70.0) == 0.1  # never a loop that spins


def test_a_clock_that_is_set_costs_nothing_young() -> None:
    """Forward while running: by the time that passed. Back: by the clock."""
    trimming = Trimming(100.0, 5.0, 1000.0)
    assert trimming.oldest_ms(15.0, 1010.0) == 910_000
    assert trimming.oldest_ms(15.0, 9999.0) == 910_000
    assert trimming.oldest_ms(15.0, 500.0) == 400_000
    assert trimming.oldest_ms(15.0, 50.0) == 0


async def test_old_entries_go_also_from_a_quiet_stream(server, kit) -> None:
    """What is young stays; a stream that nobody writes to any more is trimmed too."""
    now_ns = time.time_ns()
    async with kit.running(server.url, max_age_s=10.0) as sink:
        quiet, busy = sink.open_stream("quiet"), sink.open_stream("busy")
        for value in range(1000):
            quiet.add(now_ns - 10**13, *kit.encoded(value))  # hours ago
        for value in range(300):
            busy.add(now_ns - 10**13, *kit.encoded(value))
        for value in range(300, 600):
            busy.add(now_ns + 10**13, *kit.encoded(value))  # young for hours
        assert await sink.flush(5) == 0
        # In whole blocks of 100: what is left of a stream's old part is less than one.
        await kit.until(lambda: len(server.values("quiet")) < 100)
        await kit.until(lambda: len(server.values("busy")) <= 400)
        assert server.values("busy")[-300:] == list(range(300, 600))
        kit.fill(quiet, [1000])
        assert await sink.flush(5) == 0
        assert server.values("quiet")[-1] == 1000


async def test_a_user_who_may_not_trim_can_write(server, kit, logs) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "svc", "on", ">pw", "~*", "+@all", "-xtrim")
    try:
        url = server.url.replace("unix://", "unix://svc:pw@")
        async with kit.running(url, max_age_s=1.0) as sink:
            writer = sink.open_stream("s")
            kit.fill(writer, range(10))
            await kit.until(lambda: any("not trimmed by age" in line["event"] for line in logs))
            kit.fill(writer, range(10, 20))
            assert await sink.flush(5) == 0
            assert server.values("s") == list(range(20))
    finally:
        with server.client() as client:
            client.acl_deluser("svc")

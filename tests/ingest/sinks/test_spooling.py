"""Entries that go to the disk: every one comes back once, in order, whoever dies."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ingest.sinks.buffer import StreamWriter
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.spool import SpoolSettings

pytestmark = pytest.mark.usefixtures("logs")


@pytest.fixture
def spool(tmp_path: Path) -> dict[str, Any]:
    """Settings with which nearly everything goes to the disk as soon as the server is away."""
    return {
        "spool": SpoolSettings(directory=str(tmp_path / "spool"), segment_bytes=20_000),
        "spool_after_s": 0.05,
        "spool_full_after_s": 0.1,
        "max_batch_entries": 50,
        "max_batch_bytes": 5_000,  # so that there is something to read ahead
    }


@contextlib.asynccontextmanager
async def mortal(kit, url: str, **changes) -> AsyncIterator[RedisStreamsSink]:
    """A sink that is not closed at the end: its process is killed."""
    sink = RedisStreamsSink(url, kit.settings(**changes))
    sink.start()
    try:
        yield sink
    finally:
        tasks = [sink._task, sink._tending]
        while not all(task.done() for task in tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.1)


def unsettled(sink: RedisStreamsSink) -> int:
    """What of the entries handed over is in no final state: by the counters' own promise."""
    counters = sink.counters
    return (
        counters.added_entries
        - counters.acked_entries
        - counters.duplicates
        - counters.conflated
        - sum(counters.dropped.values())
    )


async def test_an_outage_goes_through_the_disk(durable_server, kit, spool, tmp_path) -> None:
    async with kit.running(durable_server.url, **spool) as sink:
        a, b = sink.open_stream("a"), sink.open_stream("b")
        kit.fill(a, range(100))
        assert await sink.flush(5) == 0
        durable_server.kill()
        kit.fill(a, range(100, 200))
        await kit.until(lambda: sink.slow)
        for start in range(200, 5000, 100):
            kit.fill(a, range(start, start + 100))
            kit.fill(b, range(start, start + 100))
            await asyncio.sleep(0)
        assert sink.counters.pending_entries <= 100
        assert sink.counters.spooled_entries >= 9600
        assert list((tmp_path / "spool").glob("*.segment"))
        assert unsettled(sink) == sink.counters.pending_entries + sink.counters.spooled_entries
        durable_server.start()
        kit.fill(a, range(5000, 5100))
        await sink.wait_writable(caught_up=True)
        kit.fill(a, range(5100, 5200))
        assert await sink.flush(5) == 0
        assert durable_server.values("a") == list(range(5200))
        assert durable_server.values("b") == list(range(200, 5000))
        assert unsettled(sink) == 0
        assert not sink.counters.dropped
        assert not list((tmp_path / "spool").glob("*.segment"))


async def test_memory_beyond_a_quarter_goes_to_the_disk(server, kit, proxy, spool) -> None:
    """A server that is merely slow; nobody waits, and nothing is dropped."""
    proxy.hold_replies()
    async with kit.running(
        proxy.url, **{**spool, "spool_after_s": 1e9}, max_pending_entries=400
    ) as sink:
        writer = sink.open_stream("a")
        kit.fill(writer, range(100))
        assert not sink.slow
        kit.fill(writer, range(100, 5000))
        assert sink.slow
        assert not sink.full
        proxy.pass_replies()
        assert await sink.flush(5) == 0
        assert server.values("a") == list(range(5000))


async def test_the_next_process_sends_what_was_left(durable_server, kit, spool) -> None:
    """Killed while the server is away: what was written out is there again."""
    durable_server.kill()
    async with mortal(kit, durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), range(10))
        await kit.until(lambda: sink.slow)
        kit.fill(sink.open_stream("a"), range(10, 1000))
        await asyncio.sleep(0)  # one turn of the loop
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        preface = (time.time_ns(), *kit.encoded(-1))
        writer = sink.open_stream("a", preface=preface)
        kit.fill(writer, range(1000, 1100))
        assert await sink.flush(5) == 0
        assert durable_server.values("a") == [*range(1000), -1, *range(1000, 1100)]
        assert sink.counters.recovered_entries == 1000
        assert unsettled(sink) == 0


async def test_what_is_under_way_is_on_disk_before_what_is_behind_it(
    durable_server, kit, spool
) -> None:
    """Killed with a batch that nobody has answered: no hole before what was spooled."""
    async with mortal(kit, durable_server.url, **spool) as sink:
        a = sink.open_stream("a")
        kit.fill(a, range(10))
        await kit.until(lambda: sink.counters.acked_entries == 10)
        durable_server.signal(signal.SIGSTOP)
        kit.fill(a, range(10, 20))
        await kit.until(lambda: sink.slow)
        kit.fill(a, range(20, 30))
        await asyncio.sleep(0)
    durable_server.kill()  # which never saw it
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), range(30, 40))
        assert await sink.flush(5) == 0
    assert durable_server.values("a") == list(range(40))


async def test_one_that_is_stored_at_last_is_not_sent_again(server, kit, spool, proxy) -> None:
    """What is under way is on disk for others only."""
    async with kit.running(proxy.url, **spool) as sink:
        a = sink.open_stream("a")
        kit.fill(a, range(10))
        await kit.until(lambda: sink.counters.acked_entries == 10)
        proxy.hold_replies()
        kit.fill(a, range(10, 20))
        await kit.until(lambda: sink.slow)
        kit.fill(a, range(20, 30))
        proxy.pass_replies()
        assert await sink.flush(5) == 0
        assert server.values("a") == list(range(30))
        assert sink.counters.spooled_bytes == 0
        assert unsettled(sink) == 0


async def test_who_came_and_went_meanwhile_is_told_of(durable_server, kit, spool) -> None:
    """A process that never reached the server: its preface is where its entries begin."""
    async with kit.running(durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("old"), [0])
        assert await sink.flush(5) == 0
    durable_server.kill()
    for n in (1, 2):
        async with mortal(kit, durable_server.url, **spool) as sink:
            preface = (time.time_ns(), *kit.encoded(-n))
            writers = [sink.open_stream(key, preface=preface) for key in ("old", "new")]
            for writer in writers:
                kit.fill(writer, [n * 10])
            await kit.until(lambda s=sink: s.slow)
            for writer in writers:
                kit.fill(writer, [n * 10 + 1])
            await asyncio.sleep(0)
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        preface = (time.time_ns(), *kit.encoded(-3))
        for key in ("old", "new"):
            kit.fill(sink.open_stream(key, preface=preface), [30])
        assert await sink.flush(5) == 0
        assert durable_server.values("old") == [0, -1, 10, 11, -2, 20, 21, -3, 30]
        assert durable_server.values("new") == [10, 11, -2, 20, 21, -3, 30]
        assert unsettled(sink) == 0


async def test_streams_are_opened_before_there_is_a_loop(durable_server, kit, spool) -> None:
    """As a worker does; what is on disk already is no hindrance."""
    durable_server.kill()
    async with mortal(kit, durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), [1])
        await kit.until(lambda: sink.slow)
        await asyncio.sleep(0)
    durable_server.start()

    def open_it() -> RedisStreamsSink:
        sink = RedisStreamsSink(durable_server.url, kit.settings(**spool))
        sink.open_stream("a", preface=(time.time_ns(), *kit.encoded(-1)))
        return sink

    sink = await asyncio.to_thread(open_it)  # which has none
    sink.start()
    kit.fill(sink.open_stream("a"), [2])
    assert await sink.close(5) == 0
    assert durable_server.values("a") == [1, -1, 2]


async def test_a_stream_nobody_writes_any_more_is_sent_all_the_same(
    durable_server, kit, spool
) -> None:
    durable_server.kill()
    async with mortal(kit, durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("gone"), range(10))
        await kit.until(lambda: sink.slow)
        await asyncio.sleep(0)
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        await kit.until(lambda: sink.counters.acked_entries == 10)
        assert durable_server.values("gone") == list(range(10))


async def test_killed_while_it_sends_again(durable_server, kit, spool, proxy_of) -> None:
    """What was stored and what was not is told apart by the ids."""
    durable_server.kill()
    async with mortal(kit, durable_server.url, **spool) as sink:
        for key in ("a", "b"):
            kit.fill(sink.open_stream(key), range(10))
        await kit.until(lambda: sink.slow)
        for key in ("a", "b"):
            kit.fill(sink.open_stream(key), range(10, 2000))
        await asyncio.sleep(0)
    durable_server.start()
    proxy = await proxy_of(durable_server)
    chance = random.Random(4)
    for _ in range(12):
        proxy.cut_after(chance.randrange(2_000, 30_000))
        async with mortal(kit, proxy.url, **spool) as sink:
            await kit.until(lambda s=sink: s.counters.reconnects or not s.slow)
    async with kit.running(proxy.url, **spool) as sink:
        assert await sink.flush(5) == 0
        for key in ("a", "b"):
            assert durable_server.values(key) == list(range(2000))
        assert sink.counters.foreign_writer == 0


async def test_a_stop_while_the_server_is_away_loses_nothing(durable_server, kit, spool) -> None:
    """What is in memory, with and without ids, goes to the disk before what is there."""
    async with kit.running(durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), range(60))
        assert await sink.flush(5) == 0
        durable_server.kill()
        kit.fill(sink.open_stream("a"), range(60, 200))
        await sink.close(0.01)
    expected = 200
    for _ in range(3):
        async with kit.running(durable_server.url, **spool) as sink:
            kit.fill(sink.open_stream("a"), range(expected, expected + 100))
            expected += 100
            await kit.until(lambda s=sink: s.counters.reconnects > 1)
            assert await sink.close(0.01) == 0
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        assert await sink.flush(5) == 0
    assert durable_server.values("a") == list(range(expected))


async def test_a_stop_waits_while_the_server_takes_what_is_on_the_disk(
    server, kit, proxy, spool
) -> None:
    """For longer than for one that takes nothing."""
    proxy.hold_replies()
    async with kit.running(proxy.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), range(4000))
        await kit.until(lambda: sink.slow)
        proxy.delay_s = 0.04  # 80 batches
        proxy.pass_replies()
        assert await sink.close(60) == 0
    assert server.values("a") == list(range(4000))


async def test_the_clock_was_set_back(durable_server, kit, spool) -> None:
    """The ids given on the disk turn out too small: they get others, in order."""
    ahead = (time.time_ns() // 10**6 + 10**9) * 10**6
    async with kit.running(durable_server.url, **spool) as sink:
        sink.open_stream("a").add(ahead, *kit.encoded(0))
        assert await sink.flush(5) == 0
    durable_server.kill()
    async with kit.running(durable_server.url, **spool) as sink:
        writer = sink.open_stream("a")
        kit.fill(writer, range(1, 10))
        await kit.until(lambda: sink.slow)
        kit.fill(writer, range(10, 500))
        durable_server.start()
        await sink.wait_writable(caught_up=True)
        kit.fill(writer, range(500, 600))
        assert await sink.flush(5) == 0
        assert durable_server.values("a") == list(range(600))
        assert sink.counters.foreign_writer == 0


async def test_what_was_read_ahead_comes_after_what_was_refused(
    durable_server, kit, spool, proxy_of
) -> None:
    """Its ids are not chosen before it is known what became of the batch before it."""
    proxy = await proxy_of(durable_server)
    async with kit.running(proxy.url, **spool) as sink:
        a = sink.open_stream("a")
        kit.fill(a, [0])
        assert await sink.flush(5) == 0
        proxy.hold_replies()
        kit.fill(a, range(1, 10))
        await kit.until(lambda: sink.slow)
        kit.fill(a, range(10, 3000))
        await kit.until(lambda: durable_server.values("a")[-1] == 9)
        with durable_server.client() as client:
            client.xadd("a", {"v": 99}, id="4000000000000-0")
        proxy.delay_s = 0.01
        proxy.pass_replies()
        overflow = sink._spooling._overflow
        await kit.until(lambda: overflow._ahead is not None)
        assert await sink.flush(10) == 0
        assert 0 < sink.counters.foreign_writer <= 50, "one batch, not the one behind it"
    assert durable_server.values("a") == [*range(10), 99, *range(10, 3000)]


async def test_a_stop_leaves_what_was_read_ahead(durable_server, kit, spool, proxy_of) -> None:
    """It is on the disk still, and comes after the batch under way."""
    proxy = await proxy_of(durable_server)
    async with kit.running(proxy.url, **spool) as sink:
        a = sink.open_stream("a")
        proxy.hold_replies()
        kit.fill(a, range(10))
        await kit.until(lambda: sink.slow)
        kit.fill(a, range(10, 3000))
        proxy.delay_s = 0.01
        proxy.pass_replies()
        overflow = sink._spooling._overflow
        await kit.until(lambda: overflow._ahead is not None)
        proxy.cut()
        proxy.refuse(True)
        assert overflow._ahead is not None
        assert await sink.close(0.01) == 0
    async with kit.running(durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), [3000])
        assert await sink.flush(5) == 0
        assert sink.counters.foreign_writer == 0
    assert durable_server.values("a") == list(range(3001))


async def test_a_preface_comes_before_what_is_spooled(durable_server, kit, spool) -> None:
    async with kit.running(durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), range(10))
        assert await sink.flush(5) == 0
    durable_server.kill()
    async with kit.running(durable_server.url, **spool) as sink:
        writer = sink.open_stream("a", preface=(time.time_ns(), *kit.encoded(-1)))
        fresh = sink.open_stream("b", preface=(time.time_ns(), *kit.encoded(-1)))
        kit.fill(writer, range(10, 20))
        await kit.until(lambda: sink.slow)
        kit.fill(writer, range(20, 500))
        kit.fill(fresh, range(10))
        durable_server.start()
        assert await sink.flush(5) == 0
    assert durable_server.values("a") == [*range(10), -1, *range(10, 500)]
    assert durable_server.values("b") == list(range(10))


async def test_a_stream_that_sums_up_another_keeps_to_its_ids(durable_server, kit, spool) -> None:
    """Through the disk as through memory."""
    durable_server.kill()
    async with kit.running(durable_server.url, **spool) as sink:
        updates = sink.open_stream("updates")
        sums = sink.open_stream("sums", follows=updates)
        for value in range(300):
            kit.fill(updates, [value])
            if value % 10 == 0:
                kit.fill(sums, [value])
            if value == 100:
                await kit.until(lambda: sink.slow)
        durable_server.start()
        assert await sink.flush(5) == 0
    id_of = {fields[b"v"]: entry_id for entry_id, fields in durable_server.entries("updates")}
    found = durable_server.entries("sums")
    assert [int(fields[b"v"]) for _, fields in found] == list(range(0, 300, 10))
    assert all(entry_id == id_of[fields[b"v"]] for entry_id, fields in found)


async def test_conflated_streams_keep_their_newest(durable_server, kit, spool) -> None:
    durable_server.kill()
    async with kit.running(durable_server.url, **spool) as sink:
        writer: StreamWriter = sink.open_stream(
            "bbo", conflated=lambda rx: [(writer, rx, *kit.encoded(-1))]
        )
        other = sink.open_stream("trade")
        kit.fill(writer, range(10))
        await kit.until(lambda: sink.slow)
        kit.fill(writer, range(10, 500))
        kit.fill(other, range(500))
        assert sink.counters.conflated > 480
        assert unsettled(sink) == sink.counters.pending_entries + sink.counters.spooled_entries
        durable_server.start()
        await sink.wait_writable(caught_up=True)
        kit.fill(writer, range(500, 510))
        assert await sink.flush(5) == 0
        assert unsettled(sink) == 0
    values = durable_server.values("bbo")
    assert values[-12:] == [-1, 499, *range(500, 510)]
    assert len(values) < 30
    assert durable_server.values("trade") == list(range(500))


async def test_conflated_streams_wait_for_what_an_earlier_process_left(
    durable_server, kit, spool
) -> None:
    durable_server.kill()
    async with mortal(kit, durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("bbo"), range(500))
        await kit.until(lambda: sink.slow)
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        preface = (time.time_ns(), *kit.encoded(-1))
        bbo: StreamWriter = sink.open_stream("bbo", preface=preface, conflated=lambda _rx: [])
        kit.fill(bbo, [500])
        assert await sink.flush(5) == 0
        assert durable_server.values("bbo") == [*range(500), -1, 500]
        assert sink.counters.foreign_writer == 0


async def test_what_is_newest_of_a_conflated_stream_is_left_behind_the_batch_under_way(
    durable_server, kit, spool
) -> None:
    """That batch is on the disk since entries go there."""
    async with kit.running(durable_server.url, **spool, reply_timeout_s=60) as sink:
        bbo: StreamWriter = sink.open_stream("bbo", conflated=lambda _rx: [])
        kit.fill(bbo, range(10))
        await kit.until(lambda: sink.counters.acked_entries == 10)
        durable_server.signal(signal.SIGSTOP)
        kit.fill(bbo, [10])
        await kit.until(lambda: sink.slow)
        kit.fill(bbo, range(11, 500))
        assert await sink.close(0.1) == 0
    durable_server.kill()
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("bbo", conflated=lambda _rx: []), [500])
        assert await sink.flush(5) == 0
    assert durable_server.values("bbo") == [*range(11), 499, 500]


async def test_conflated_streams_flow_while_the_backlog_is_worked_off(
    server, kit, proxy, spool
) -> None:
    """They do not wait behind the disk."""
    proxy.hold_replies()
    async with kit.running(proxy.url, **spool) as sink:
        bbo: StreamWriter = sink.open_stream("bbo", conflated=lambda _rx: [])
        trade = sink.open_stream("trade")
        kit.fill(trade, range(100))
        await kit.until(lambda: sink.slow)
        kit.fill(trade, range(100, 3000))
        kit.fill(bbo, [1])
        proxy.pass_replies()
        await kit.until(lambda: server.values("bbo") == [1])
        assert await sink.flush(5) == 0
    assert server.values("trade") == list(range(3000))


async def test_a_full_spool_drops_and_says_so(durable_server, kit, spool, tmp_path) -> None:
    durable_server.kill()
    small = SpoolSettings(directory=str(tmp_path / "small"), max_bytes=50_000, segment_bytes=5_000)
    async with kit.running(durable_server.url, **{**spool, "spool": small}) as sink:
        writer = sink.open_stream("a")
        kit.fill(writer, range(10))
        await kit.until(lambda: sink.slow)
        taken = 10
        while writer.add(time.time_ns(), *kit.encoded(taken)):
            taken += 1
            if taken % 50 == 0:
                await asyncio.sleep(0)
        assert taken > 300
        assert sink.counters.dropped == {"spool_full": 1}
        assert writer.dropped == 1
        durable_server.start()
        assert await sink.flush(5) == 0
        assert durable_server.values("a") == list(range(taken))
        kit.fill(writer, [taken])
        assert await sink.flush(5) == 0


async def test_what_is_too_old_is_dropped_and_counted(durable_server, kit, spool) -> None:
    durable_server.kill()
    async with kit.running(durable_server.url, **spool, max_spool_age_s=100.0) as sink:
        writer = sink.open_stream("a")
        kit.fill(writer, range(3))
        await kit.until(lambda: sink.slow)
        writer.add(time.time_ns() - 200 * 10**9, *kit.encoded(3))
        kit.fill(writer, [4])
        durable_server.start()
        assert await sink.flush(5) == 0
        assert sink.counters.dropped == {"spool_expired": 1}
        assert writer.dropped == 1
        assert durable_server.values("a") == [0, 1, 2, 4]


async def test_what_is_too_old_is_marked_in_its_place(durable_server, kit, spool) -> None:
    """Not behind all that is on the disk: a reader would take what is before for whole."""
    durable_server.kill()
    async with kit.running(durable_server.url, **spool, max_spool_age_s=100.0) as sink:
        writer = sink.open_stream("a", lost=lambda rx: [(writer, rx, *kit.encoded(-1))])
        other = sink.open_stream("b")
        kit.fill(writer, range(3))
        kit.fill(other, [0])
        await kit.until(lambda: sink.slow)
        for value in range(3, 130):  # over the end of a batch
            writer.add(time.time_ns() - 200 * 10**9, *kit.encoded(value))
        kit.fill(writer, range(130, 200))
        kit.fill(other, [1])
        durable_server.start()
        assert await sink.flush(5) == 0
        assert durable_server.values("a") == [0, 1, 2, -1, *range(130, 200)]
        assert durable_server.values("b") == [0, 1]
        assert sink.counters.dropped == {"spool_expired": 127}
        assert unsettled(sink) == 0


async def test_damage_is_counted_and_all_streams_are_told(
    durable_server, kit, spool, tmp_path
) -> None:
    durable_server.kill()
    async with mortal(kit, durable_server.url, **spool) as sink:
        kit.fill(sink.open_stream("a"), range(10))
        await kit.until(lambda: sink.slow)
        for start in range(10, 2000, 10):  # more than one file
            kit.fill(sink.open_stream("a"), range(start, start + 10))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
    first, *others = sorted((tmp_path / "spool").glob("*.segment"))
    assert others
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(bytes(data))
    durable_server.start()
    async with kit.running(durable_server.url, **spool) as sink:
        writer = sink.open_stream("a", lost=lambda rx: [(writer, rx, *kit.encoded(-1))])
        other = sink.open_stream("b")
        assert await sink.flush(5) == 0
        assert (writer.dropped, other.dropped) == (1, 1)
        assert sink.counters.dropped == {"spool_damaged": 1}
        values = durable_server.values("a")
        at = values.index(-1)
        assert 0 < at < len(values) - 1
        assert values[:at] == list(range(at))
        assert values[at + 1] > at
        assert values[at + 1 :] == list(range(values[at + 1], 2000))


@pytest.mark.parametrize("seed", range(6))
async def test_any_faults_in_a_row(durable_server, kit, spool, proxy_of, seed: int) -> None:
    """Cuts, stalls, crashes of the server, deaths and stops of the process."""
    chance = random.Random(seed)
    proxy = await proxy_of(durable_server)
    keys = [f"s{number}" for number in range(5)]
    handed: dict[str, list[int]] = {key: [] for key in keys}
    value = 0
    for _ in range(4):
        deadly = chance.random() < 0.5
        life = mortal if deadly else kit.running
        arguments = (kit, proxy.url) if deadly else (proxy.url,)
        async with life(*arguments, **spool, max_pending_entries=400) as sink:
            for _ in range(chance.randrange(5, 15)):
                fault = chance.choice(["none", "none", "cut", "cut_after", "hold", "crash"])
                if fault == "cut":
                    proxy.cut()
                elif fault == "cut_after":
                    proxy.cut_after(chance.randrange(1, 20_000))
                elif fault == "hold":
                    proxy.hold_replies()
                elif fault == "crash":
                    durable_server.kill()
                for _ in range(chance.randrange(1, 400)):
                    key = chance.choice(keys)
                    kit.fill(sink.open_stream(key), [value])
                    handed[key].append(value)
                    value += 1
                await asyncio.sleep(chance.choice([0, 0.01, 0.1]))
                proxy.pass_replies()
                if fault == "crash":
                    durable_server.start()
            if deadly:
                # What is in memory dies with it: so let it be on the disk, or stored.
                proxy.cut()
                assert await sink.flush(10) == 0 or sink.slow
                await kit.until(lambda s=sink: not s.slow or s.counters.pending_entries == 0)
    async with kit.running(proxy.url, **spool) as sink:
        await sink.wait_writable(caught_up=True)
        assert await sink.flush(10) == 0
        assert sink.counters.foreign_writer == 0
    for key in keys:
        assert durable_server.values(key) == handed[key]

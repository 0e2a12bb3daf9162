"""Servers that lose what they acknowledged: it is sent again, or its loss is counted."""

import time

import pytest

from ingest.sinks.redis_streams import RedisStreamsSink

pytestmark = pytest.mark.usefixtures("logs")


def _settled(sink: RedisStreamsSink) -> int:
    counters = sink.counters
    return (
        counters.acked_entries
        + counters.duplicates
        + counters.pending_entries
        + sum(counters.dropped.values())
    )


async def test_what_a_crash_took_is_sent_again_in_order(forgetful_server, kit) -> None:
    async with kit.running(forgetful_server.url) as sink:
        first, second = sink.open_stream("a"), sink.open_stream("b")
        for start in range(0, 300, 100):
            kit.fill(first, range(start, start + 100))
            kit.fill(second, range(start, start + 100))
            assert await sink.flush(5) == 0
        ids = [i for i, _ in forgetful_server.entries("a")]
        forgetful_server.kill()
        kit.fill(first, range(300, 400))
        forgetful_server.start()
        assert await sink.flush(5) == 0
        assert forgetful_server.values("a") == list(range(400))
        assert forgetful_server.values("b") == list(range(300))
        assert [i for i, _ in forgetful_server.entries("a")][:300] == ids
        assert sink.counters.forgotten_entries == 600
        assert sink.counters.acked_entries == 700
        assert not sink.counters.dropped


async def test_again_and_again(forgetful_server, kit) -> None:
    """What was sent again may be lost again."""
    async with kit.running(forgetful_server.url) as sink:
        writer = sink.open_stream("a")
        for crash in range(5):
            kit.fill(writer, range(crash * 10, crash * 10 + 10))
            assert await sink.flush(5) == 0
            forgetful_server.kill()
            forgetful_server.start()
        kit.fill(writer, [50])
        assert await sink.flush(5) == 0
        await kit.until(lambda: len(forgetful_server.values("a")) == 51)
        assert forgetful_server.values("a") == list(range(51))
        assert _settled(sink) == 51


async def test_only_what_is_missing_is_sent_again(server, kit, proxy) -> None:
    """A stream that is whole is left alone, one that lost its end gets that."""
    async with kit.running(proxy.url) as sink:
        whole, cut, gone = (sink.open_stream(key) for key in ("whole", "cut", "gone"))
        for value in range(20):
            for writer in (whole, cut, gone):
                kit.fill(writer, [value])
        assert await sink.flush(5) == 0
        with server.client() as client:
            client.delete("gone")
            kept = server.entries("cut")[:5]
            client.delete("cut")  # as a replica would have it that was behind
            for entry_id, fields in kept:
                client.xadd("cut", fields, id=entry_id)
        proxy.cut()
        await kit.until(lambda: sink.counters.forgotten_entries == 35)
        assert await sink.flush(5) == 0
        for key in ("whole", "cut", "gone"):
            assert server.values(key) == list(range(20))


async def test_what_is_not_kept_is_marked_before_what_waits(forgetful_server, kit) -> None:
    """And before what is sent again: a reader would take what is before for whole."""
    async with kit.running(forgetful_server.url, max_resend_bytes=100) as sink:
        writer = sink.open_stream("a", lost=lambda rx: [(writer, rx, *kit.encoded(-1))])
        for value in range(10):  # a batch of 15 bytes each
            kit.fill(writer, [value])
            assert await sink.flush(5) == 0
        forgetful_server.kill()
        kit.fill(writer, range(10, 15))
        await kit.until(lambda: sink.counters.reconnects > 0)
        forgetful_server.start()
        assert await sink.flush(5) == 0
        values = forgetful_server.values("a")
        assert values[0] == -1
        assert 0 < values[1] < 10
        assert values[1:] == list(range(values[1], 15))
        assert writer.dropped == 1
        assert _settled(sink) == sink.counters.added_entries + 1  # the loss is counted once


@pytest.mark.parametrize("limit", [{"max_resend_bytes": 0}, {"resend_s": -1.0}])
async def test_what_is_not_kept_is_counted_and_its_owner_told(forgetful_server, kit, limit) -> None:
    async with kit.running(forgetful_server.url, **limit) as sink:
        writer, quiet = sink.open_stream("a"), sink.open_stream("quiet")
        kit.fill(writer, range(10))
        assert await sink.flush(5) == 0
        forgetful_server.kill()
        forgetful_server.start()
        kit.fill(writer, [10])
        assert await sink.flush(5) == 0
        assert forgetful_server.values("a") == [10]
        assert sink.counters.dropped == {"forgotten": 1}
        assert (writer.dropped, quiet.dropped) == (1, 0)


async def test_trimming_is_not_forgetting(server, kit, proxy) -> None:
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("a")
        kit.fill(writer, range(10))
        assert await sink.flush(5) == 0
        with server.client() as client:
            client.xtrim("a", maxlen=0, approximate=False)
        proxy.cut()
        kit.fill(writer, [10])
        assert await sink.flush(5) == 0
        assert server.values("a") == [10]
        assert sink.counters.forgotten_entries == 0


async def test_a_late_snapshot_stream_is_restored_under_its_ids(forgetful_server, kit) -> None:
    """A stream that follows another one has the other's ids, after a crash as before."""
    async with kit.running(forgetful_server.url) as sink:
        updates = sink.open_stream("updates")
        sums = sink.open_stream("sums", follows=updates)
        for value in range(5):
            kit.fill(updates, [value])
            assert sums.add(time.time_ns(), *kit.encoded(value))
        assert await sink.flush(5) == 0
        before = [i for i, _ in forgetful_server.entries("sums")]
        forgetful_server.kill()
        forgetful_server.start()
        await kit.until(lambda: sink.counters.forgotten_entries == 10)
        assert await sink.flush(5) == 0
        assert [i for i, _ in forgetful_server.entries("sums")] == before
        assert [i for i, _ in forgetful_server.entries("updates")] == before


async def test_an_empty_server_in_between(server, forgetful_server, kit, proxy) -> None:
    """What was taken back for it is not stored again by the one that has it all along."""
    with forgetful_server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", 1)  # it takes nothing: READONLY
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("a")
        kit.fill(writer, range(100))
        assert await sink.flush(5) == 0
        proxy.lead_to(forgetful_server.path)
        await kit.until(lambda: sink.counters.forgotten_entries == 100)
        reconnects = sink.counters.reconnects
        await kit.until(lambda: sink.counters.reconnects > reconnects)  # refused, not lost
        proxy.lead_to(server.path)
        kit.fill(writer, range(100, 110))
        assert await sink.flush(5) == 0
        assert server.values("a") == list(range(110))
        assert (sink.counters.duplicates, sink.counters.foreign_writer) == (100, 0)
        assert _settled(sink) == 110

"""The sink when connections, the server or both go away: nothing lost, nothing doubled."""

import signal
import time

import pytest

from ingest.sinks import tasks
from ingest.sinks.redis_streams import RedisStreamsSink
from ingest.sinks.settings import BackoffSettings


async def test_reply_lost_after_execution_is_not_stored_twice(server, kit, proxy) -> None:
    """The server has stored the batch, its replies never came: duplicates are recognised."""
    async with kit.running(proxy.url) as sink:
        writers = [sink.open_stream("a"), sink.open_stream("b")]
        for writer in writers:
            kit.fill(writer, [0])
        assert await sink.flush(5) == 0

        proxy.hold_replies()
        for writer in writers:
            kit.fill(writer, range(1, 100))
        await kit.until(lambda: server.values("b") == list(range(100)))
        proxy.cut()
        proxy.pass_replies()
        for writer in writers:
            kit.fill(writer, range(100, 110))
        assert await sink.flush(5) == 0

        for key in ("a", "b"):
            assert server.values(key) == list(range(110))
        counters = sink.counters
        assert counters.duplicates == 198
        assert counters.acked_entries + counters.duplicates == counters.added_entries
        assert (counters.foreign_writer, counters.dropped) == (0, {})


async def test_reply_lost_and_stored_entries_already_trimmed(server, kit, proxy) -> None:
    """Duplicates are recognised although the stream's own limit has removed them."""
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("s", maxlen=10)
        kit.fill(writer, [0])
        assert await sink.flush(5) == 0
        proxy.hold_replies()
        kit.fill(writer, range(1, 1000))
        await kit.until(lambda: server.values("s")[-1] == 999)
        proxy.cut()
        proxy.pass_replies()
        assert await sink.flush(5) == 0
        assert sink.counters.duplicates == 999
        values = server.values("s")
        assert values == list(range(1000 - len(values), 1000))
        assert len(values) < 500


@pytest.mark.parametrize("how", [("XTRIM", "s", "MAXLEN", 0), ("XDEL", "s")])
async def test_reply_lost_and_the_stream_emptied_since(server, kit, proxy, how) -> None:
    """Nothing is left to be compared with; that the last id is ours says enough."""
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [0])
        assert await sink.flush(5) == 0
        proxy.hold_replies()
        kit.fill(writer, [1, 2, 3])
        await kit.until(lambda: server.values("s") == [0, 1, 2, 3])
        with server.client() as client:
            ids = [] if how[0] == "XTRIM" else [entry_id for entry_id, _ in server.entries("s")]
            client.execute_command(*how, *ids)
        proxy.cut()
        proxy.pass_replies()
        kit.fill(writer, [4])
        assert await sink.flush(5) == 0
        assert server.values("s") == [4]
        assert (sink.counters.duplicates, sink.counters.foreign_writer) == (3, 0)


async def test_reply_lost_and_nobody_may_look_it_up(server, kit, proxy) -> None:
    """What cannot be looked up is neither here nor missing: it waits until it can be."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-xrange")
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [0])
        assert await sink.flush(5) == 0
        proxy.hold_replies()
        kit.fill(writer, [1, 2, 3])
        await kit.until(lambda: server.length("s") == 4)
        proxy.cut()
        proxy.pass_replies()
        connects = sink.counters.connects
        await kit.until(lambda: sink.counters.connects > connects)
        kit.fill(writer, [4])
        try:
            assert await sink.flush(0.3) == 4
        finally:
            with server.client() as client:
                client.execute_command("ACL", "SETUSER", "default", "+xrange")
        assert await sink.flush(5) == 0
        assert server.values("s") == [0, 1, 2, 3, 4]
        assert (sink.counters.duplicates, sink.counters.foreign_writer) == (3, 0)


async def test_a_dead_process_adds_nothing_to_what_its_successor_has_read(
    server, kit, proxy
) -> None:
    """Its last batch is still on the way: it must come before `newest` looks, or not at all."""
    dead = RedisStreamsSink(proxy.url, kit.settings())
    dead.start()
    writer = dead.open_stream("s")
    kit.fill(writer, range(5))
    assert await dead.flush(5) == 0
    proxy.hold_requests()
    kit.fill(writer, range(5, 10))
    await kit.until(lambda: proxy.held_bytes > 0)
    assert dead._task is not None
    await tasks.end(dead._task)
    async with kit.running(server.url) as sink:
        writer = sink.open_stream("s", preface=(time.time_ns(), *kit.encoded(-1)))
        [found] = await sink.newest(["s"], 2)
        assert found == [{b"v": b"-1"}, {b"v": b"4"}]
        proxy.pass_requests()
        await kit.until(lambda: proxy.ended == 1)
        kit.fill(writer, [10])
        assert await sink.flush(5) == 0
    assert server.values("s") == [0, 1, 2, 3, 4, -1, 10]


async def test_reply_lost_while_another_program_writes_too(server, kit, proxy) -> None:
    """Refused on re-sending does not mean stored: what is not in the stream gets a new id."""
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [0])
        assert await sink.flush(5) == 0
        # The batch gets lost on its way, and meanwhile somebody writes a later id.
        proxy.cut_after(60)
        proxy.refuse(True)
        kit.fill(writer, [1, 2])
        await kit.until(lambda: sink.counters.reconnects > 0)
        with server.client() as client:
            client.xadd("s", {"v": 99}, id="4000000000000-0")
        proxy.refuse(False)
        assert await sink.flush(5) == 0
        assert server.values("s") == [0, 99, 1, 2]
        assert (sink.counters.duplicates, sink.counters.foreign_writer) == (0, 2)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
async def test_cut_anywhere_in_a_batch(server, kit, proxy, share: float) -> None:
    """A batch that arrives in part is not stored in part; it is sent again whole."""
    async with kit.running(proxy.url) as sink:
        size = 0  # of the batch: the first round, under other names, is not cut
        for names in ("cd", "ab"):
            writers = [sink.open_stream(name) for name in names]
            for writer in writers:
                kit.fill(writer, [0])
            assert await sink.flush(5) == 0
            before = sink.counters.written_bytes
            if names == "ab":
                proxy.cut_after(max(1, int(share * size)))
            for value in range(1, 501):
                for writer in writers:
                    kit.fill(writer, [value], padding=20)
            assert await sink.flush(5) == 0
            size = sink.counters.written_bytes - before
        assert sink.counters.reconnects == 1
        for key in ("a", "b"):
            assert server.values(key) == list(range(501))
        assert (sink.counters.foreign_writer, sink.counters.dropped) == (0, {})


async def test_cut_again_and_again_under_load(server, kit, proxy) -> None:
    """Whatever the moments of the cuts, each stream has every entry once, in order."""
    async with kit.running(proxy.url, max_batch_entries=64) as sink:
        writers = [sink.open_stream(f"s{i}") for i in range(5)]
        for round_ in range(30):
            for i, writer in enumerate(writers):
                kit.fill(writer, range(round_ * 40, round_ * 40 + 40), padding=i * 30)
            if round_ % 2:
                proxy.cut_after(1 + round_ * 331)
            else:
                proxy.cut()
            acked = sink.counters.acked_entries
            await kit.until(lambda before=acked: sink.counters.acked_entries > before)
        assert await sink.flush(10) == 0
        for i in range(5):
            assert server.values(f"s{i}") == list(range(1200))
        counters = sink.counters
        assert counters.reconnects >= 10
        assert counters.acked_entries + counters.duplicates == counters.added_entries == 6000


async def test_a_stalled_server_is_left_and_its_late_work_does_no_harm(
    server, kit, proxy, logs
) -> None:
    """No reply within the deadline: a new connection; the old batch may still be executed."""
    async with kit.running(server.url, reply_timeout_s=0.1, connect_timeout_s=0.1) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [0])
        assert await sink.flush(5) == 0
        server.signal(signal.SIGSTOP)
        try:
            kit.fill(writer, range(1, 50))
            await kit.until(lambda: sink.counters.reconnects >= 2)
        finally:
            server.signal(signal.SIGCONT)
        kit.fill(writer, range(50, 60))
        assert await sink.flush(5) == 0
        assert server.values("s") == list(range(60))
    assert any("no reply within 0.1 s" in line.get("error", "") for line in logs)


async def test_kill_9_and_restart_of_the_server(durable_server, kit) -> None:
    """With a server that syncs before it answers, not one entry is lost or doubled."""
    server = durable_server
    async with kit.running(server.url, max_batch_entries=100) as sink:
        writers = [sink.open_stream(f"s{i}") for i in range(3)]
        sent = 0
        for _ in range(3):
            acked = sink.counters.acked_entries
            for writer in writers:
                kit.fill(writer, range(sent, sent + 2000))
            sent += 2000
            await kit.until(lambda before=acked: sink.counters.acked_entries > before + 200)
            assert sink.counters.pending_entries > 0
            server.kill()
            lost = sink.counters.reconnects
            await kit.until(lambda before=lost: sink.counters.reconnects > before)
            server.start()
        assert await sink.flush(10) == 0
        for i in range(3):
            assert server.values(f"s{i}") == list(range(sent))
        assert sink.counters.dropped == {}
        assert sink.counters.outage_s > 0


async def test_absent_at_start(durable_server, kit, logs) -> None:
    """No server yet: it says so, though not every time, keeps all, and says when it is back."""
    server = durable_server
    server.kill()
    server.path.unlink()
    async with kit.running(server.url) as sink:
        kit.fill(sink.open_stream("s"), range(10))
        await kit.until(lambda: sink.counters.reconnects >= 9)
        server.start()
        assert await sink.flush(5) == 0
        assert server.values("s") == list(range(10))
    failed = [line for line in logs if "no connection" in line["event"]]
    assert [line["attempt"] for line in failed][:4] == [1, 2, 4, 8]
    assert failed[0]["target"] == f"unix:{server.path}"
    assert failed[0]["pending"] == 10
    back = [line for line in logs if line["event"] == "sink: connected again"]
    assert len(back) == 1
    assert back[0]["away_s"] > 0


async def test_an_emptied_server_goes_on_with_higher_ids(server, kit, proxy) -> None:
    """FLUSHALL during an outage: no id is used twice, and nothing stalls."""
    async with kit.running(proxy.url, max_resend_bytes=0) as sink:
        writer = sink.open_stream("s")
        writer.add(4_000_000_000_000 * 1_000_000, *kit.encoded(1))
        assert await sink.flush(5) == 0
        with server.client() as client:
            client.flushall()
        proxy.cut()
        kit.fill(writer, [2])
        assert await sink.flush(5) == 0
        assert [i for i, _ in server.entries("s")] == [b"4000000000000-1"]


async def test_last_ids_are_asked_again_after_a_lost_connection(server, kit, proxy) -> None:
    """The server that answers now may be further on than the one before."""
    async with kit.running(proxy.url) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [1])
        assert await sink.flush(5) == 0
        proxy.refuse(True)
        proxy.cut()
        with server.client() as client:
            client.xadd("s", {"v": 2}, id="4000000000000-0")
        proxy.refuse(False)
        await kit.until(lambda: sink.counters.connects == 2)
        kit.fill(writer, [3])
        assert await sink.flush(5) == 0
        assert server.values("s") == [1, 2, 3]
        assert sink.counters.foreign_writer == 0


async def test_an_idle_connection_that_is_lost_is_reopened(server, kit, proxy) -> None:
    """The loss is noticed at once, not with the next entry."""
    async with kit.running(proxy.url) as sink:
        await kit.until(lambda: sink.counters.connects == 1)
        proxy.cut()
        await kit.until(lambda: sink.counters.connects == 2)


async def test_flush_does_not_sit_out_a_long_wait(server, kit, proxy) -> None:
    """On shutdown a server that is back gets its entries, whatever the backoff had left."""
    proxy.refuse(True)
    async with kit.running(proxy.url, reconnect=BackoffSettings(1e6, 1e6)) as sink:
        kit.fill(sink.open_stream("s"), [1])
        await kit.until(lambda: sink.counters.reconnects == 1)
        proxy.refuse(False)
        began = time.monotonic()
        assert await sink.flush(5) == 0
        assert time.monotonic() - began < 5
    assert server.values("s") == [1]

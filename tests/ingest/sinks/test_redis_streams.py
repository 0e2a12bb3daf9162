"""The sink against a real server: what a caller sees."""

import asyncio
import time

import pytest
import redis

from ingest.errors import ConfigError, SinkError
from ingest.sinks.redis_streams import RedisStreamsSink

FAR_NS = 4_000_000_000_000 * 1_000_000  # far ahead of any clock


async def test_entries_arrive_once_in_order_with_ids_of_their_receive_time(server, kit) -> None:
    """Every entry is stored once, in the order handed over, its id made of its rx."""
    async with kit.running(server.url) as sink:
        writers = [sink.open_stream(f"md:{i}") for i in range(3)]
        for value in range(3000):
            assert writers[value % 3].add(1_700_000_000_000_000_000 + value, *kit.encoded(value))
        assert await sink.flush(5) == 0

        for i in range(3):
            assert server.values(f"md:{i}") == list(range(i, 3000, 3))
        assert server.entries("md:0")[1][0] == b"1700000000000-1"
        counters = sink.counters
        assert counters.acked_entries == counters.added_entries == 3000
        assert (counters.duplicates, counters.dropped, counters.pending_bytes) == (0, {}, 0)
        assert counters.last_ack_ns is not None


@pytest.mark.parametrize("query", ["", "?protocol=2", "?protocol=3", "?db=3&protocol=3"])
async def test_protocol_versions_and_databases(server, kit, query: str) -> None:
    """RESP2, RESP3 and a selected database all work, restart included."""
    for value in range(2):
        async with kit.running(server.url + query) as sink:
            sink.open_stream("s").add(FAR_NS, *kit.encoded(value))
            assert await sink.flush(5) == 0
            assert sink.counters.foreign_writer == 0
    with server.client(db=3 if "db=3" in query else 0) as client:
        assert [i for i, _ in client.xrange("s")] == [b"4000000000000-0", b"4000000000000-1"]


async def test_ids_continue_after_restart_with_the_clock_behind(server, kit) -> None:
    """A stream whose last id is ahead of the clock is continued, not refused."""
    with server.client() as client:
        client.xadd("s", {"v": 0}, id="4000000000000-7")
        client.xdel("s", "4000000000000-7")  # deleted ids count too
    async with kit.running(server.url) as sink:
        kit.fill(sink.open_stream("s"), [1, 2])
        assert await sink.flush(5) == 0
    assert [i for i, _ in server.entries("s")] == [b"4000000000000-8", b"4000000000000-9"]


async def test_streams_are_trimmed_each_to_its_own_length(server, kit) -> None:
    """MAXLEN ~ comes from the settings, or from the stream."""
    async with kit.running(server.url, maxlen=1000) as sink:
        for key, maxlen in (("common", None), ("own", 200)):
            kit.fill(sink.open_stream(key, maxlen=maxlen), range(3000))
        assert await sink.flush(5) == 0
    with server.client() as client:
        assert 1000 <= client.xlen("common") < 1200
        assert 200 <= client.xlen("own") < 400


async def test_one_stream_of_the_wrong_type_costs_only_its_own_entries(server, kit, logs) -> None:
    """WRONGTYPE: those entries are dropped and counted, with a sample; the rest is stored."""
    with server.client() as client:
        client.set("bad", "a string")
    async with kit.running(server.url) as sink:
        good, bad = sink.open_stream("good"), sink.open_stream("bad")
        for value in range(10):
            kit.fill(good, [value])
            kit.fill(bad, [value])
        assert await sink.flush(5) == 0

        assert server.values("good") == list(range(10))
        assert sink.counters.dropped == {"WRONGTYPE": 10}
        assert (bad.dropped, good.dropped) == (10, 0)
    dropped = [line for line in logs if line["event"] == "sink: entry dropped"]
    assert [line["total"] for line in dropped] == [1, 2, 4, 8]
    assert dropped[0]["stream"] == "bad"
    assert b"$1\r\nv\r\n$1\r\n0\r\n" in dropped[0]["sample"]


async def test_a_stream_that_follows_another(server, kit) -> None:
    """Its entries have the other's ids, across batches; one that cannot have it is dropped."""
    async with kit.running(server.url, max_batch_entries=3) as sink:
        book = sink.open_stream("book")
        sums = sink.open_stream("sums", follows=book)
        for number in range(10):
            kit.fill(book, [number])
            if number % 4 == 1:
                kit.fill(sums, [number])
        assert await sink.flush(5) == 0
        with server.client() as client:
            id_of = {int(fields[b"v"]): entry_id for entry_id, fields in client.xrange("book")}
            found = [(entry_id, int(fields[b"v"])) for entry_id, fields in client.xrange("sums")]
            assert found == [(id_of[n], n) for n in (1, 5, 9)]
            client.xadd("sums", {"v": -1}, id="4000000000000-0")
        kit.fill(book, [10])
        kit.fill(sums, [10])
        kit.fill(book, [11])
        assert await sink.flush(5) == 0
        kit.fill(sums, [11])
        assert await sink.flush(5) == 0
        assert sink.counters.dropped == {"late": 1, "ids_exhausted": 1}
        assert sink.counters.acked_entries == 15
        assert server.values("book") == list(range(12))


async def test_another_writer_in_our_stream_loses_nothing(server, kit, logs) -> None:
    """Refused on first sending: counted as a foreign writer's doing, stored under a new id."""
    async with kit.running(server.url) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [1])
        assert await sink.flush(5) == 0
        with server.client() as client:
            client.xadd("s", {"v": 2}, id="4000000000000-0")
        kit.fill(writer, [3, 4])
        assert await sink.flush(5) == 0

        assert server.values("s") == [1, 2, 3, 4]
        assert sink.counters.foreign_writer == 2
        assert sink.counters.duplicates == 0
        assert sink.counters.acked_entries == 3
    assert any("another program writes" in line["event"] for line in logs)


async def test_a_stream_with_no_id_left_drops_and_counts(server, kit) -> None:
    """After the highest possible id nothing can follow; other streams go on."""
    with server.client() as client:
        client.xadd("s", {"v": 0}, id=f"{2**64 - 1}-{2**64 - 1}")
    async with kit.running(server.url) as sink:
        kit.fill(sink.open_stream("s"), [1])
        kit.fill(sink.open_stream("t"), [1])
        assert await sink.flush(5) == 0
        assert sink.counters.dropped == {"ids_exhausted": 1}
        assert server.values("t") == [1]


async def test_out_of_memory_keeps_everything_and_its_order(server, kit, logs) -> None:
    """While the server flaps in and out of OOM, nothing is lost and nothing overtakes."""
    with server.client() as client:
        async with kit.running(server.url, max_batch_entries=50) as sink:
            writers = [sink.open_stream(f"s{i}") for i in range(3)]
            try:
                for round_ in range(4):
                    client.config_set("maxmemory", 1)
                    retried = sink.counters.retried_entries
                    for i in range(3):
                        kit.fill(writers[i], range(round_ * 100, round_ * 100 + 100))
                    await kit.until(lambda before=retried: sink.counters.retried_entries > before)
                    client.config_set("maxmemory", 0)
                    # Not waiting for the end: the next round finds a queue.
                    batches = sink.counters.batches
                    await kit.until(lambda before=batches: sink.counters.batches > before)
            finally:
                client.config_set("maxmemory", 0)
            assert await sink.flush(5) == 0

            for i in range(3):
                assert server.values(f"s{i}") == list(range(400))
            assert sink.counters.dropped == {}
            assert sink.counters.reconnects == 0
    assert any("OOM" in line.get("error", "") for line in logs)


async def test_memory_limit_in_the_middle_of_a_batch_never_reorders(server, kit) -> None:
    """A limit that is reached while a batch is being received refuses all of it or nothing."""
    with server.client() as client:
        try:
            async with kit.running(server.url, max_batch_entries=500) as sink:
                writer = sink.open_stream("s")
                kit.fill(writer, [0])
                assert await sink.flush(5) == 0
                client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)
                kit.fill(writer, range(1, 2000), padding=1000)
                await kit.until(lambda: sink.counters.retried_entries > 0)
                stored = server.values("s")
                assert stored == list(range(len(stored)))
                client.config_set("maxmemory", 0)
                assert await sink.flush(5) == 0
                assert server.values("s") == list(range(2000))
        finally:
            client.config_set("maxmemory", 0)


async def test_a_replica_is_left_for_its_master(server, kit) -> None:
    """READONLY: kept, and a new connection is opened, for the address may lead elsewhere."""
    with server.client() as client:
        async with kit.running(server.url) as sink:
            writer = sink.open_stream("s")
            kit.fill(writer, [1])
            assert await sink.flush(5) == 0
            try:
                client.replicaof("127.0.0.1", "1")
                kit.fill(writer, [2])
                await kit.until(lambda: sink.counters.connects >= 3)
            finally:
                client.replicaof("NO", "ONE")
            assert await sink.flush(5) == 0
            assert server.values("s") == [1, 2]


async def test_wrong_password_is_an_error_in_the_log_and_loses_nothing(server, kit, logs) -> None:
    """Entries wait until the operator has mended the password; the URL's is never logged."""
    url = server.url.replace("unix://", "unix://svc:wrong-secret@")
    with server.client() as client:
        try:
            client.acl_setuser("svc", enabled=True, passwords=["+right"], keys=["*"])
            async with kit.running(url) as sink:
                kit.fill(sink.open_stream("s"), [1])
                await kit.until(lambda: sink.counters.reconnects >= 2)
                client.acl_setuser(
                    "svc", enabled=True, passwords=["+wrong-secret"], commands=["+@all"]
                )
                assert await sink.flush(5) == 0
                assert server.values("s") == [1]
        finally:
            client.acl_deluser("svc")
    refused = [line for line in logs if "no connection" in line["event"]]
    assert refused[0]["log_level"] == "error"
    assert "not admitted" in refused[0]["error"]
    assert "secret" not in str(logs)


@pytest.mark.parametrize("missing", ["multi", "xadd", "xinfo"])
async def test_a_missing_permission_is_waited_for(server, kit, logs, missing: str) -> None:
    """NOPERM on any command we need keeps the entries, says so, and recovers."""
    url = server.url.replace("unix://", "unix://svc:pass@")
    with server.client() as client:
        try:
            client.execute_command(
                "ACL", "SETUSER", "svc", "on", ">pass", "~*", "+@all", f"-{missing}"
            )
            async with kit.running(url) as sink:
                kit.fill(sink.open_stream("s"), [1, 2])
                await kit.until(lambda: any(line.get("attempt", 0) >= 2 for line in logs))
                assert sink.counters.acked_entries == 0
                client.execute_command("ACL", "SETUSER", "svc", f"+{missing}")
                assert await sink.flush(5) == 0
            assert server.values("s") == [1, 2]
        finally:
            client.acl_deluser("svc")
    assert any("NOPERM" in line.get("error", "") for line in logs)


async def test_the_buffer_is_bounded_and_readers_are_told(server, kit, proxy) -> None:
    """`full` from the high watermark on, drops counted at the limit, then writable again."""
    proxy.hold_replies()
    async with kit.running(proxy.url, max_pending_entries=100, reply_timeout_s=5.0) as sink:
        writer = sink.open_stream("s")
        accepted = [writer.add(time.time_ns(), *kit.encoded(v)) for v in range(120)]
        assert accepted == [True] * 100 + [False] * 20
        assert sink.full
        assert sink.counters.dropped == {"sink_full": 20}
        assert writer.dropped == 20
        waiting = asyncio.create_task(sink.wait_writable())
        await asyncio.sleep(0)
        assert not waiting.done()
        proxy.pass_replies()
        async with asyncio.timeout(5):
            await waiting
        assert not sink.full
        assert await sink.flush(5) == 0
        assert server.values("s") == list(range(100))


async def test_an_entry_beyond_the_size_limit_is_dropped_alone(server, kit) -> None:
    """Too large for the server's protocol limits would cost the connection again and again."""
    async with kit.running(server.url, max_entry_bytes=1000) as sink:
        writer = sink.open_stream("s")
        assert not writer.add(time.time_ns(), *kit.encoded(1, padding=1000))
        assert writer.add(time.time_ns(), *kit.encoded(2))
        assert await sink.flush(5) == 0
        assert sink.counters.dropped == {"too_large": 1}
        assert server.values("s") == [2]


async def test_the_same_key_is_the_same_writer(server) -> None:
    """Two id sources for one stream would contradict each other."""
    sink = RedisStreamsSink(server.url)
    assert sink.open_stream("a") is sink.open_stream("a")
    assert sink.open_stream("a") is not sink.open_stream("b")


async def test_a_failed_sink_does_not_let_its_readers_hang(kit, monkeypatch, logs) -> None:
    """If the background task dies of a bug, waiting raises, and the log has the reason."""
    sink = RedisStreamsSink("unix:///nowhere", kit.settings(max_pending_entries=1))

    async def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(sink, "_session", broken)
    sink.start()
    sink.open_stream("s").add(time.time_ns(), *kit.encoded(1))
    with pytest.raises(SinkError):
        async with asyncio.timeout(5):
            await sink.wait_writable()
    with pytest.raises(SinkError):
        await sink.flush(5)
    assert await sink.close(5) == 1
    assert any(line["log_level"] == "critical" for line in logs)


@pytest.mark.parametrize("url", ["http://x", "redis://h:port/0", "redis://h?colour=red", "x"])
async def test_a_bad_url_is_a_config_error(url: str) -> None:
    """Found when the sink is made, not when it first connects."""
    with pytest.raises(ConfigError, match=r"redis\.url"):
        RedisStreamsSink(url)


async def test_shutdown_without_server_is_bounded_and_says_what_is_left(kit) -> None:
    """`close` returns after its deadline with the number of unpublished entries."""
    sink = RedisStreamsSink("unix:///nowhere/at/all", kit.settings())
    sink.start()
    kit.fill(sink.open_stream("s"), range(7))
    async with asyncio.timeout(5):
        assert await sink.close(0.05) == 7


def test_redis_client_library_is_recent_enough() -> None:
    """The tests use what redis-py 6 has."""
    assert int(redis.__version__.split(".")[0]) >= 6


async def test_a_preface_goes_only_before_a_continued_stream(server, kit) -> None:
    """It tells readers of an earlier run's entries that a new one begins; a new stream has none."""
    async with kit.running(server.url) as sink:
        kit.fill(sink.open_stream("old"), [1, 2])
        assert await sink.flush(5) == 0
    async with kit.running(server.url) as sink:
        for key in ("old", "new"):
            preface = (time.time_ns(), *kit.encoded(0))
            kit.fill(sink.open_stream(key, preface=preface), [3, 4])
        assert await sink.flush(5) == 0
        assert sink.counters.acked_entries == sink.counters.added_entries == 5
        assert sink.counters.pending_bytes == 0
    assert server.values("old") == [1, 2, 0, 3, 4]
    assert server.values("new") == [3, 4]


async def test_a_preface_before_a_second_writer_s_entries(server, kit) -> None:
    """The first one has given the stream up; its entries stand before the preface."""
    async with kit.running(server.url) as sink:
        preface = (time.time_ns(), *kit.encoded(0))
        for numbers in ([1, 2], [3, 4]):
            kit.fill(sink.open_stream("again", preface=preface), numbers)
        assert await sink.flush(5) == 0
    assert server.values("again") == [1, 2, 0, 3, 4]


@pytest.mark.parametrize("continued", [["data"], ["aside"], ["data", "aside"], []])
async def test_a_preface_may_go_beside(server, kit, continued: list[str]) -> None:
    """Once, if either stream has entries of an earlier run."""
    name = "-".join(["beside", *continued])
    data, aside = f"{name}:data", f"{name}:aside"
    async with kit.running(server.url) as sink:
        for key in continued:
            kit.fill(sink.open_stream(f"{name}:{key}"), [1])
        assert await sink.flush(5) == 0
    async with kit.running(server.url) as sink:
        preface = (time.time_ns(), *kit.encoded(0))
        beside = sink.open_stream(aside)
        kit.fill(sink.open_stream(data, preface=preface, beside=beside), [2])
        assert await sink.flush(5) == 0
    assert server.values(data) == [1] * ("data" in continued) + [2]
    assert server.values(aside) == [1] * ("aside" in continued) + [0] * bool(continued)

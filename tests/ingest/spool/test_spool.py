"""First in, first out, over any number of processes, whatever the disk does."""

import contextlib
import errno
import os
import random
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SpoolError
from ingest.spool import Spool, SpooledEntry, SpoolSettings, sync
from ingest.spool.format import Position
from ingest.spool.segments import SegmentFile

pytestmark = pytest.mark.usefixtures("logs")


def new_spool(directory: Path, **changes) -> Spool:
    return Spool(SpoolSettings(directory=str(directory), **changes))


def let_go(spool: Spool) -> None:
    """As the system does for a process that dies: what is not written is gone."""
    spool._cursor.close()
    if spool._tail._file is not None:
        spool._tail._file.close()


def entry(value: int, key: str = "a", size: int = 20) -> SpooledEntry:
    return SpooledEntry(key, 1000, 1_700_000_000_000 + value, 0, value, 2, b"%0*d" % (size, value))


def fill(spool: Spool, values, **options) -> None:
    for value in values:
        assert spool.append(*entry(value, **options))


def values(entries) -> list[int]:
    return [int(each.encoded) for each in entries]


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.segment"))


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Every descriptor that is free is beyond the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_open_files(tmp_path) -> None:
    """What cannot be read for that is there afterwards; what cannot be synced is not forgotten."""
    spool = new_spool(tmp_path, segment_bytes=500)
    fill(spool, range(20))
    spool.flush()  # sealed: reading it needs a descriptor
    fill(spool, range(20, 40))
    spool.flush()
    with no_more_files():
        with pytest.raises(SpoolError, match="cannot be read now"):
            spool.read(100, 10**6)
    read = []
    while len(read) < 30:
        read += values(spool.read(10, 10**6))
    fill(spool, [40], size=5)
    spool.flush()
    with no_more_files():
        sealed = spool.unsynced()
    found = spool.unsynced()
    assert [stat.S_ISDIR(os.fstat(each).st_mode) for each in found] == [False, True]  # the open one
    for descriptor in (*sealed, *found):
        os.close(descriptor)
    while spool.unread:
        read += values(spool.read(10, 10**6))
    assert read == list(range(41))
    assert spool.damaged == 0


def test_what_goes_in_comes_out(tmp_path) -> None:
    spool = new_spool(tmp_path)
    given = [
        SpooledEntry("a", None, 0, 0, 0, 0, b""),
        SpooledEntry("é:b", 1, 2**64 - 1, 2**64 - 1, -(2**63), 2**32 - 1, bytes(range(256))),
        SpooledEntry("a", None, 5, 6, 7, 8, b"x" * 3_000_000),
    ]
    for each in given:
        assert spool.append(*each)
    assert spool.unread
    assert spool.read(10, 10**9) == given
    assert not spool.unread
    assert spool.read(10, 10**9) == []


def test_reads_in_pieces_while_it_is_written(tmp_path) -> None:
    spool = new_spool(tmp_path, segment_bytes=1000)
    read: list[int] = []
    for start in range(0, 500, 50):
        fill(spool, range(start, start + 50))
        if start % 100:
            spool.flush()
        read += values(spool.read(20, 10**6))
    assert len(files(tmp_path)) == 5
    fill(spool, range(500, 600))
    while spool.unread:
        got = spool.read(33, 200)
        assert len(got) <= 10
        read += values(got)
    assert read == list(range(600))
    spool.settle(spool.position)
    assert files(tmp_path) == []
    assert spool.size == 0


def test_how_much_is_written_ahead(tmp_path) -> None:
    """Of what is in the file that is read next, and was written by this process."""
    spool = new_spool(tmp_path)
    assert not spool.written_ahead(0)
    fill(spool, range(10))
    assert not spool.written_ahead(0), "in memory only"
    spool.flush()
    size = spool.size
    assert spool.written_ahead(size - 1)
    assert not spool.written_ahead(size)
    spool.read(5, 10**6)
    assert spool.written_ahead(1)
    assert not spool.written_ahead(size // 2)
    again = new_spool(tmp_path)
    fill(again, range(10))
    again.flush()
    assert not again.written_ahead(0), "of an earlier process"
    again.read(100, 10**6)
    assert again.written_ahead(0)
    again.read(100, 10**6)
    assert not again.written_ahead(0)


def test_only_what_is_settled_is_forgotten(tmp_path) -> None:
    spool = new_spool(tmp_path)
    fill(spool, range(10))
    spool.flush()
    assert values(spool.read(4, 10**6)) == [0, 1, 2, 3]
    spool.settle(spool.position)
    assert values(spool.read(3, 10**6)) == [4, 5, 6]  # and then it dies

    again = new_spool(tmp_path)
    assert again.recovering
    fill(again, [10])
    assert values(again.read(100, 10**6)) == [4, 5, 6, 7, 8, 9]
    assert not again.recovering
    assert values(again.read(100, 10**6)) == [10]
    again.settle(again.position)
    assert files(tmp_path) == []
    assert not new_spool(tmp_path).unread


def test_a_cursor_of_files_long_gone_is_not_believed(tmp_path) -> None:
    """The numbers begin anew; the old cursor would skip what has not been read."""
    spool = new_spool(tmp_path, segment_bytes=1)
    for value in range(5):
        fill(spool, [value])
        spool.flush()
    assert len(spool.read(1, 1)) == 1
    while spool.unread:
        spool.read(10, 10**6)
    spool.settle(spool.position)
    spool.close()
    spool = new_spool(tmp_path, segment_bytes=1)
    for value in range(9):
        fill(spool, [value])
        spool.flush()
    del spool
    again = new_spool(tmp_path)
    read = []
    while again.unread:
        read += values(again.read(10, 10**6))
    assert read == list(range(9))


@pytest.mark.parametrize("damage", [b"", b"garbage that is long enough"])
def test_without_its_cursor_everything_is_read_again(tmp_path, damage) -> None:
    spool = new_spool(tmp_path)
    fill(spool, range(3))
    spool.flush()
    spool.read(2, 10**6)
    spool.settle(spool.position)
    (tmp_path / "settled").write_bytes(damage)
    assert values(new_spool(tmp_path).read(10, 10**6)) == [0, 1, 2]


def test_a_torn_end_costs_that_entry_only(tmp_path, logs) -> None:
    spool = new_spool(tmp_path)
    fill(spool, range(3))
    spool.flush()
    path = tmp_path / files(tmp_path)[0]
    whole = path.read_bytes()
    for cut in range(1, 30):
        path.write_bytes(whole[:-cut])
        again = new_spool(tmp_path)
        fill(again, [9])
        read = values(again.read(10, 10**6)) + values(again.read(10, 10**6))
        assert read == [0, 1, 9]
        assert again.damaged == 0
        again.settle(again.position)
    assert {line["log_level"] for line in logs} == {"warning"}


def test_damage_costs_the_rest_of_its_file_and_is_told(tmp_path) -> None:
    spool = new_spool(tmp_path, segment_bytes=200)
    for value in range(20):
        fill(spool, [value])
        spool.flush()
    names = files(tmp_path)
    path = tmp_path / names[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(bytes(data))
    again = new_spool(tmp_path)
    read: list[int] = []
    while again.unread:
        read += values(again.read(100, 10**6))
    assert again.damaged == 1
    assert read == sorted(read)
    assert set(range(20)) - set(read)
    assert {0, 19} <= set(read)
    assert (tmp_path / names[1]).with_suffix(".damaged").exists()


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_bytes_can_do_harm(tmp_path_factory, data) -> None:
    """Whatever a file holds, reading ends, and gives nothing that was not written."""
    directory = tmp_path_factory.mktemp("spool")
    spool = new_spool(directory)
    fill(spool, range(20))
    spool.flush()
    path = directory / files(directory)[0]
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "insert"]))
        if kind == "change":
            content[at] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 50))]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=50))
        if not content:
            break
    path.write_bytes(bytes(content))
    again = new_spool(directory)
    read: list[int] = []
    while again.unread:
        read += values(again.read(7, 10**6))
    assert read == list(range(len(read)))


def test_its_size_is_bounded(tmp_path) -> None:
    spool = new_spool(tmp_path, max_bytes=100_000, segment_bytes=10_000)
    taken = 0
    while spool.append(*entry(taken, size=1000)):
        taken += 1
        spool.flush()
    assert 90 < taken < 100
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("*.segment"))
    assert on_disk <= 100_000
    assert not spool.append(*entry(taken, size=1000))
    assert values(spool.read(50, 10**6))
    assert not spool.append(*entry(taken, size=1000)), "read is not settled"
    spool.settle(spool.position)
    assert spool.append(*entry(taken, size=1000))


def test_a_burst_is_written_out_before_it_is_too_much(tmp_path) -> None:
    spool = new_spool(tmp_path, max_unwritten_bytes=2_000_000)
    fill(spool, range(10_000), size=1000)
    assert spool.size > 10_000_000


def test_what_the_disk_refuses_is_bounded(tmp_path, full_disk) -> None:
    assert full_disk["full"]
    spool = new_spool(tmp_path, max_unwritten_bytes=10_000)
    taken = 0
    while spool.append(*entry(taken, size=1000)):
        taken += 1
    assert 5 < taken < 10
    full_disk["full"] = False
    spool._tail.retry_now()
    spool.flush()
    assert spool.append(*entry(taken, size=1000))


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that takes half of what it is given, and then refuses, until told otherwise."""
    real = os.pwrite
    state = {"full": True}

    def pwrite(fd: int, data, offset: int) -> int:
        if state["full"]:
            real(fd, bytes(data)[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data, offset)

    monkeypatch.setattr("ingest.spool.segments.os.pwrite", pwrite)
    return state


def test_a_full_disk_loses_nothing_that_was_taken(tmp_path, full_disk, monkeypatch) -> None:
    monkeypatch.setattr("ingest.spool.tail._RETRY_S", -1.0)
    spool = new_spool(tmp_path)
    fill(spool, range(10))
    spool.flush()
    assert spool.disk_errors == 1
    assert values(spool.read(5, 10**6)) == [0, 1, 2, 3, 4]
    fill(spool, range(10, 20))
    spool.flush()
    full_disk["full"] = False
    fill(spool, [20])
    spool.flush()
    assert values(spool.read(100, 10**6)) == list(range(5, 21))
    spool.settle(spool.position)
    fill(spool, [21])
    spool.close()
    assert values(new_spool(tmp_path).read(100, 10**6)) == [21]


def test_a_full_disk_does_not_stop_what_passes_through(tmp_path, full_disk) -> None:
    """The server is back, the disk still full: memory is enough for what is read at once."""
    assert full_disk["full"]
    spool = new_spool(tmp_path, max_unwritten_bytes=2_000)
    for start in range(0, 1000, 10):
        fill(spool, range(start, start + 10))
        spool.flush()
        assert values(spool.read(10, 10**6)) == list(range(start, start + 10))
        spool.settle(spool.position)
    assert spool.disk_errors >= 1
    full_disk["full"] = False
    spool.settle(spool.position)
    assert files(tmp_path) == []  # nor does what the disk did take of it stay there


@pytest.mark.parametrize("segment_bytes", [1, 10**6])
@pytest.mark.parametrize("end", [let_go, Spool.close])
def test_what_is_read_before_it_is_written_is_there_until_it_is_settled(
    tmp_path, end, segment_bytes
) -> None:
    """Read to its end in the very turn in which it was appended; then the process ends."""
    spool = new_spool(tmp_path, segment_bytes=segment_bytes)
    fill(spool, range(5))
    spool.flush()
    fill(spool, range(5, 10))
    read = []
    while spool.unread:
        read += values(spool.read(100, 10**6))
    assert read == list(range(10))
    end(spool)
    spool, read = new_spool(tmp_path), []
    while spool.unread:
        read += values(spool.read(100, 10**6))
    assert read == list(range(10))
    spool.settle(spool.position)
    assert files(tmp_path) == []


def test_what_could_not_be_synced_is_not_written_twice(tmp_path, monkeypatch) -> None:
    """A file on a disk that writes, but does not sync for now."""
    failing = True

    def fdatasync(fd: int) -> None:
        if failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("ingest.spool.segments.os.fdatasync", fdatasync)
    monkeypatch.setattr("ingest.spool.tail._RETRY_S", -1.0)
    spool = new_spool(tmp_path, fsync_s=0.0)
    fill(spool, range(5))
    spool.flush()
    assert spool.disk_errors == 1
    fill(spool, range(5, 10))
    spool.flush()
    failing = False
    spool.flush()
    assert values(spool.read(100, 10**6)) == list(range(10))


def test_a_new_files_name_is_synced_too(tmp_path) -> None:
    """Once, after the file: what a machine that crashes is to find again."""
    spool = new_spool(tmp_path)
    kinds = []
    for _ in range(2):
        fill(spool, range(5))
        spool.flush()
        found = spool.unsynced()
        kinds.append([stat.S_ISDIR(os.fstat(descriptor).st_mode) for descriptor in found])
        for descriptor in found:
            sync(descriptor)
    assert kinds == [[False, True], [False]]


def test_what_was_held_in_memory_goes_before_all_at_the_end(tmp_path) -> None:
    for _ in range(3):  # processes that could not get rid of anything
        spool = new_spool(tmp_path)
        fill(spool, range(10, 20))
        spool.flush()
        got = values(spool.read(5, 10**6))
        spool.settle(spool.position)
        assert spool.put_first([entry(value) for value in range(5)])
        spool.close()
        again = new_spool(tmp_path)
        read: list[int] = []
        while again.unread:
            read += values(again.read(4, 10**6))
        assert read == [*range(5), *range(10 + len(got), 20)]
        again.settle(again.position)
        assert files(tmp_path) == []
        again.close()


def test_put_first_again_and_again(tmp_path) -> None:
    """Several stops in a row while the server is away."""
    expected: list[int] = []
    for start in range(100, 0, -10):
        spool = new_spool(tmp_path)
        assert spool.put_first([entry(value) for value in range(start, start + 5)])
        spool.close()
        expected = [*range(start, start + 5), *expected]
    again = new_spool(tmp_path)
    read: list[int] = []
    while again.unread:
        read += values(again.read(4, 10**6))
    assert read == expected


def test_an_unusable_directory_is_refused_with_its_name(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="file"):
        new_spool(tmp_path / "file")


@settings(deadline=None, max_examples=100)
@given(st.randoms(use_true_random=False))
def test_any_life_of_processes_keeps_order(tmp_path_factory, chance: random.Random) -> None:
    """Appends, reads, settlements, deaths, stops: nothing lost, nothing out of order."""
    directory = tmp_path_factory.mktemp("spool")
    spool = new_spool(directory, segment_bytes=chance.choice([1, 300, 10**6]))
    appended = settled = 0  # values, which are numbers in a row
    on_disk: list[int] = []  # not settled
    unwritten: list[int] = []
    unread: list[int] = []
    pending: list[tuple[int, Position]] = []  # read, with where the spool was then
    for _ in range(chance.randrange(1, 120)):
        what = chance.choice(["append", "flush", "read", "settle", "die", "stop"])
        if what == "append":
            new = list(range(appended, appended + chance.randrange(1, 8)))
            fill(spool, new)
            appended += len(new)
            unwritten += new
            unread += new
        elif what == "flush":
            spool.flush()
            on_disk += unwritten
            unwritten = []
        elif what == "read":
            got = values(spool.read(chance.randrange(1, 6), 10**6))
            assert got == unread[: len(got)]
            assert bool(got) == bool(unread)
            del unread[: len(got)]
            if got:
                pending.append((got[-1], spool.position))
            if not unread:  # not settled yet
                on_disk += unwritten
                unwritten = []
        elif what == "settle" and pending:
            settled, position = pending.pop(0)
            spool.settle(position)
            on_disk = [value for value in on_disk if value > settled]
            unwritten = [value for value in unwritten if value > settled]
        elif what in ("die", "stop"):
            if what == "stop":
                spool.close()
                on_disk += unwritten
            else:
                let_go(spool)
            spool = new_spool(directory, segment_bytes=chance.choice([1, 300, 10**6]))
            unwritten, pending, unread = [], [], list(on_disk)
            assert spool.unread or not unread
    while spool.unread:
        got = values(spool.read(4, 10**6))
        assert got == unread[: len(got)]
        del unread[: len(got)]
    assert unread == []


def test_segment_files_are_never_overwritten(tmp_path) -> None:
    file = SegmentFile(tmp_path, 1)
    file.write(b"x")
    file.close()
    with pytest.raises(FileExistsError):
        SegmentFile(tmp_path, 1)

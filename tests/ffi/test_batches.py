"""What one pump returns: limits, left-overs, and when each message was read."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.frames import BINARY, PING, TEXT, close_frame, frame
from wscore.connection import Batch, PumpStatus


def drain(core: Any, **limits: int) -> list[Batch]:
    """Pump until AGAIN; every call but the last must move."""
    batches = []
    while True:
        status, batch, _ = core.pump(**limits)
        if batch is not None:
            batches.append(batch)
        if status != PumpStatus.MORE:
            return batches


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100, 4096])
def test_a_limit_on_messages_is_kept_and_nothing_is_lost(core: Any, limit: int) -> None:
    """Also when a batch ends in the middle of what one read returned."""
    count = 5000
    core.connection.feed(b"".join(frame(BINARY, b"%d" % i) for i in range(count)))
    batches = drain(core, max_messages=limit)
    assert [m for batch in batches for m in batch.messages] == [b"%d" % i for i in range(count)]
    assert all(len(batch.messages) == limit for batch in batches[:-1])


def test_more_than_the_largest_batch_is_never_returned(core: Any) -> None:
    core.connection.feed(frame(BINARY) * 10_000)
    assert [len(batch.messages) for batch in drain(core, max_messages=10**6)] == [4096, 4096, 1808]


def test_controls_count_as_messages(core: Any) -> None:
    core.connection.feed((frame(PING) + frame(TEXT, b"x")) * 3)
    kinds = [[b.kind_of(i) for i in range(len(b.messages))] for b in drain(core, max_messages=4)]
    assert kinds == [[16, 1, 16, 1], [16, 1]]


def test_a_full_batch_just_before_a_close_keeps_the_close(core: Any) -> None:
    core.connection.feed(frame(TEXT, b"x") * 2 + close_frame(1000) + frame(TEXT, b"late"))
    assert core.pump(max_messages=2)[0] == PumpStatus.MORE
    status, batch, has_control = core.pump(max_messages=2)
    assert (status, batch.messages, has_control) == (PumpStatus.CLOSED, [b"\x03\xe8"], True)


def test_the_limit_on_bytes_stops_after_the_read_that_reaches_it(core: Any) -> None:
    core.connection.limit(read_chunk=1000)
    core.connection.feed(frame(BINARY, bytes(98)) * 100)
    status, batch, _ = core.pump(max_bytes=1001)
    assert (status, len(batch.messages)) == (PumpStatus.MORE, 20)


@pytest.mark.parametrize("limits", [{"max_ns": 0}, {"max_bytes": 0}, {"max_ns": -1}])
def test_limits_of_nothing_still_let_each_call_move(core: Any, limits: dict[str, int]) -> None:
    """A time slice of zero must be slow, not a livelock."""
    core.connection.limit(read_chunk=10)
    core.connection.feed(frame(BINARY, bytes(98)) * 3)
    pumps = 0
    received = 0
    while True:
        status, batch, _ = core.pump(**limits)
        received += len(batch.messages) if batch else 0
        pumps += 1
        assert pumps <= 31
        if status != PumpStatus.MORE:
            break
    assert (status, received) == (PumpStatus.AGAIN, 3)


def test_no_more_than_64_reads_are_marked_in_one_call(core: Any) -> None:
    core.connection.limit(read_chunk=3)
    core.connection.feed(frame(BINARY, b"x") * 200)
    batches = drain(core)
    assert [len(batch.reads) for batch in batches] == [64, 64, 64, 8]
    assert sum(len(batch.messages) for batch in batches) == 200


def test_the_kind_of_a_batch(core: Any) -> None:
    core.connection.feed(frame(TEXT) * 3)
    assert core.pump()[1].kind == 1
    core.connection.feed(frame(TEXT) + frame(BINARY))
    batch = core.pump()[1]
    assert (batch.kind, batch.kinds) == (0, b"\x01\x02")


def test_reads_say_when_a_message_was_complete(core: Any) -> None:
    """A message counts for the read of its last byte, also when its batch was full by then."""
    whole = frame(TEXT, b"a") * 3 + frame(TEXT, b"cut in two")
    before = time.time_ns()
    core.connection.feed(whole[:-5])
    status, batch, _ = core.pump(max_messages=2)
    assert status == PumpStatus.MORE
    first_ns = batch.reads[0][1]
    assert batch.reads == [(2, first_ns)]
    between = time.time_ns()
    core.connection.feed(whole[-5:] + frame(TEXT, b"b"))
    status, batch, _ = core.pump()
    assert batch.messages == [b"a", b"cut in two", b"b"]
    (end, ns), (all_of_them, second_ns) = batch.reads
    assert (end, ns, all_of_them) == (1, first_ns, 3)
    assert before <= first_ns <= between <= second_ns <= time.time_ns()


def test_reads_of_large_messages_that_are_read_in_place(core: Any) -> None:
    core.connection.limit(read_chunk=20_000)
    core.connection.feed(frame(BINARY, bytes(50_000)) + frame(BINARY, b"next"))
    batches = drain(core)
    assert [len(m) for batch in batches for m in batch.messages] == [50_000, 4]
    assert all(batch.reads[-1][0] == len(batch.messages) for batch in batches)


def test_end_of_stream_comes_after_the_messages(new_core: Callable[..., Any]) -> None:
    core = new_core()
    core.connection.feed(frame(TEXT, b"1") + frame(TEXT, b"2")[:-1], eof=True)
    status, batch, _ = core.pump()
    assert (status, batch.messages) == (PumpStatus.EOF, [b"1"])
    assert core.pump()[0] == PumpStatus.EOF

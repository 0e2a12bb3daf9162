"""Received messages on their way to those who await them."""

import asyncio
from typing import Any

import pytest

from wscore.connection import Batch
from wscore.inbox import Inbox

END = ConnectionError("the end")


def batch(*messages: bytes, ns: int = 1) -> Batch:
    return Batch(list(messages), 1, b"", [(len(messages), ns)])


def new(capacity: int = 10) -> tuple[Inbox, list[int]]:
    """An inbox, and its room at each call of `on_room`."""
    calls: list[int] = []
    inbox = Inbox(capacity, lambda: calls.append(inbox.room))
    return inbox, calls


def value(future: "asyncio.Future[Batch]") -> list[bytes]:
    return future.result().messages


def test_messages_come_out_in_order_one_by_one_and_in_batches() -> None:
    inbox, _ = new()
    inbox.put(batch(b"a", b"b", b"c"))
    inbox.put(batch(b"d"))
    inbox.put(batch(b"e", b"f"))
    assert (inbox.count, inbox.room) == (6, 4)
    assert inbox.take_one() == (b"a", 1)
    assert inbox.take_batch().messages == [b"b", b"c"]
    assert inbox.take_one() == (b"d", 1)
    assert inbox.take_one() == (b"e", 1)
    assert inbox.take_single().messages == [b"f"]
    assert (inbox.count, inbox.room, inbox.ready()) == (0, 10, False)


def test_kinds_and_times_stay_with_their_messages() -> None:
    inbox, _ = new()
    inbox.put(Batch([b"t", b"b", b"u"], 0, bytes([1, 2, 1]), [(1, 100), (3, 200)]))
    assert inbox.take_one() == (b"t", 1)
    rest = inbox.take_batch()
    assert ([rest.kind_of(0), rest.kind_of(1)], rest.reads) == ([2, 1], [(2, 200)])


async def test_waiters_are_served_in_their_order() -> None:
    inbox, _ = new()
    waiting = [inbox.wait(inbox.take_single) for _ in range(3)]
    inbox.put(batch(b"a", b"b"))
    assert [value(future) for future in waiting[:2]] == [[b"a"], [b"b"]]
    assert not waiting[2].done()
    inbox.put(batch(b"c", b"d"))
    assert value(waiting[2]) == [b"c"]
    assert inbox.count == 1


async def test_takers_of_one_and_of_batches_share_the_order() -> None:
    inbox, _ = new()
    one, all_of_it = inbox.wait(inbox.take_single), inbox.wait(inbox.take_batch)
    inbox.put(batch(b"a", b"b", b"c"))
    assert (value(one), value(all_of_it)) == ([b"a"], [b"b", b"c"])


async def test_one_who_gave_up_is_passed_over() -> None:
    inbox, _ = new()
    first, second = inbox.wait(inbox.take_single), inbox.wait(inbox.take_single)
    inbox.abandon(first)
    inbox.put(batch(b"a"))
    assert first.cancelled()
    assert value(second) == [b"a"]


async def test_one_who_gave_up_after_being_served_returns_the_message() -> None:
    """To the front, with its time, or straight to the next who waits."""
    inbox, _ = new()
    first = inbox.wait(inbox.take_single)
    inbox.put(batch(b"a", b"b", ns=7))
    inbox.put(batch(b"c", ns=8))
    assert inbox.take_one() == (b"b", 1)
    inbox.abandon(first)
    returned = inbox.take_batch()
    assert (returned.messages, returned.reads) == ([b"a"], [(1, 7)])
    assert inbox.take_one() == (b"c", 1)

    served, next_one = inbox.wait(inbox.take_single), inbox.wait(inbox.take_single)
    inbox.put(batch(b"d"))
    inbox.abandon(served)
    assert value(next_one) == [b"d"]


async def test_returning_to_a_batch_that_is_taken_in_part() -> None:
    inbox, _ = new()
    inbox.put(batch(b"a", b"b", b"c", b"d"))
    first = inbox.take_single()
    inbox.take_one()
    inbox.put_back(first)
    assert [inbox.take_one()[0] for _ in range(3)] == [b"a", b"c", b"d"]
    assert inbox.count == 0


async def test_the_end_comes_after_what_is_left() -> None:
    inbox, _ = new()
    inbox.put(batch(b"a"))
    inbox.finish(END, discard=False)
    assert inbox.take_one() == (b"a", 1)
    for take in (inbox.take_one, inbox.take_batch, inbox.take_single):
        with pytest.raises(ConnectionError, match="the end"):
            take()


async def test_the_end_wakes_everybody_with_the_same_error() -> None:
    inbox, _ = new()
    waiting = [inbox.wait(inbox.take_single) for _ in range(100)]
    inbox.finish(END, discard=False)
    assert all(future.exception() is END for future in waiting)


async def test_the_end_can_discard_what_is_left() -> None:
    inbox, _ = new()
    inbox.put(batch(b"a", b"b"))
    inbox.take_one()
    inbox.finish(END, discard=True)
    assert (inbox.count, inbox.room) == (0, 10)
    with pytest.raises(ConnectionError):
        inbox.take_one()


def test_the_first_end_stays() -> None:
    inbox, _ = new()
    inbox.finish(END, discard=False)
    inbox.finish(ValueError("later"), discard=False)
    assert inbox.end is END


def test_an_end_raised_often_does_not_grow() -> None:
    """A traceback is kept with its exception, and each raise would add to it."""
    inbox, _ = new()
    inbox.finish(END, discard=False)

    def length() -> int:
        with pytest.raises(ConnectionError) as caught:
            inbox.take_one()
        count, at = 0, caught.value.__traceback__
        while at is not None:
            count, at = count + 1, at.tb_next
        return count

    assert length() == [length() for _ in range(50)][-1]


@pytest.mark.parametrize("capacity", [1, 2, 7, 10])
def test_room_is_announced_once_when_half_is_free(capacity: int) -> None:
    inbox, calls = new(capacity)
    inbox.put(batch(*[b"x"] * capacity))
    inbox.want_room()
    for _ in range(capacity):
        inbox.take_one()
    assert calls == [capacity - capacity // 2]


def test_room_is_announced_for_batches_and_only_if_asked_for() -> None:
    inbox, calls = new()
    inbox.put(batch(*[b"x"] * 10))
    inbox.take_batch()
    assert calls == []
    inbox.put(batch(*[b"x"] * 10))
    inbox.want_room()
    inbox.take_batch()
    assert calls == [10]


async def test_random_use_loses_and_reorders_nothing() -> None:
    """Puts, takes of every kind, waits and cancellations, against a plain list."""
    import random

    rng = random.Random(7)
    for _ in range(200):
        inbox, _ = new(50)
        sent = taken = 0
        waiting: list[asyncio.Future[Any]] = []
        received: list[int] = []

        def collect(waiting: list[Any] = waiting, received: list[int] = received) -> None:
            while waiting and waiting[0].done():
                received.extend(int(m) for m in waiting.pop(0).result().messages)

        for _ in range(60):
            action = rng.randrange(6)
            if action == 0:
                size = rng.randrange(1, 6)
                inbox.put(batch(*(b"%d" % i for i in range(sent, sent + size))))
                sent += size
                collect()
            elif action == 1:
                take = rng.choice([inbox.take_single, inbox.take_batch])
                if inbox.ready():
                    received.extend(int(m) for m in take().messages)
                else:
                    waiting.append(inbox.wait(take))
            elif action == 2 and inbox.count:
                received.append(int(inbox.take_one()[0]))
            elif action == 3 and waiting:
                inbox.abandon(waiting.pop(rng.randrange(len(waiting))))
            elif action == 4 and inbox.count:
                inbox.put_back(inbox.take_single())
            taken = len(received)
        collect()
        while inbox.count:
            received.append(int(inbox.take_one()[0]))
        assert received == list(range(sent)), taken

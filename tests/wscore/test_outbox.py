"""Who has to wait before sending, and who is told that all is sent."""

import asyncio

import pytest

from wscore.outbox import Outbox

LOST = ConnectionError("lost")


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_messages_count_as_unsent_until_their_last_byte_is_gone() -> None:
    outbox = Outbox(10)
    outbox.added(100)
    outbox.added(50)
    for unsent, left in [(150, 2), (51, 2), (50, 1), (1, 1), (0, 0)]:
        outbox.progress(unsent)
        assert len(outbox) == left


def test_frames_of_others_in_the_queue_only_delay() -> None:
    """A pong behind our message makes it count as unsent longer, never shorter."""
    outbox = Outbox(10)
    outbox.added(100)
    outbox.progress(100 + 30)
    assert len(outbox) == 1
    outbox.progress(30)
    assert len(outbox) == 1
    outbox.progress(0)
    assert len(outbox) == 0


async def test_senders_wait_while_it_is_full_and_go_in_order() -> None:
    outbox = Outbox(1)
    order: list[int] = []

    async def send(number: int) -> None:
        if outbox.full:
            await outbox.wait_for_room()
        outbox.added(10)
        order.append(number)

    await send(0)
    tasks = [asyncio.create_task(send(i)) for i in range(1, 5)]
    await settle()
    assert order == [0]
    for i in range(1, 5):
        outbox.progress(0)
        assert outbox.full  # also for one who comes before the admitted one has run
        outbox.progress(0)  # does not admit a second
        await settle()
        assert order == list(range(i + 1))
    await asyncio.gather(*tasks)


async def test_a_cancelled_sender_passes_its_place_on() -> None:
    """Even if it was admitted already: else the others would wait for ever."""
    outbox = Outbox(1)
    outbox.added(10)
    tasks = [asyncio.create_task(outbox.wait_for_room()) for _ in range(3)]
    await settle()
    tasks[1].cancel()
    await settle()
    outbox.progress(0)  # admits the first
    tasks[0].cancel()  # before it has run
    await settle()
    assert [task.cancelled() for task in tasks[:2]] == [True, True]
    await asyncio.wait_for(tasks[2], 1)
    assert not outbox.full


async def test_flush_waits_for_what_was_queued_before_it() -> None:
    """Not for what others queue later."""
    outbox = Outbox(10)
    outbox.added(10)
    task = asyncio.create_task(outbox.wait_until_sent())
    await settle()
    outbox.added(1000)
    outbox.progress(1001)
    await settle()
    assert not task.done()
    outbox.progress(1000)
    await asyncio.wait_for(task, 1)


async def test_flush_of_nothing_returns_at_once() -> None:
    await Outbox(10).wait_until_sent()


async def test_a_failure_wakes_everybody_and_is_remembered_if_messages_are_lost() -> None:
    outbox = Outbox(1)
    outbox.added(10)
    tasks = [
        asyncio.create_task(outbox.wait_for_room()),
        asyncio.create_task(outbox.wait_until_sent()),
    ]
    await settle()
    outbox.fail(LOST)
    for task in tasks:
        with pytest.raises(ConnectionError, match="lost"):
            await task
    assert len(outbox) == 0
    with pytest.raises(ConnectionError, match="lost"):
        await outbox.wait_until_sent()


async def test_a_failure_after_everything_was_sent_concerns_no_flush() -> None:
    outbox = Outbox(1)
    outbox.added(10)
    outbox.progress(0)
    outbox.fail(LOST)
    await outbox.wait_until_sent()

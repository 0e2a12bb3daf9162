"""PINGs that wait for their PONG."""

import pytest

from wscore import WebSocketClosed, WebSocketError
from wscore.pings import Pings


async def test_a_pong_settles_its_ping_with_the_latency() -> None:
    pings = Pings()
    future = pings.sent(b"a", 10.0)
    assert pings.answered(b"a", 10.25) == 0.25
    assert future.result() == 0.25


async def test_a_pong_answers_every_earlier_ping() -> None:
    pings = Pings()
    futures = [pings.sent(payload, now) for payload, now in [(b"a", 1), (b"b", 2), (b"c", 3)]]
    assert pings.answered(b"b", 4) == 2
    assert [future.done() for future in futures] == [True, True, False]
    assert futures[0].result() == 3


async def test_an_unsolicited_pong_changes_nothing() -> None:
    pings = Pings()
    future = pings.sent(b"a", 1)
    assert pings.answered(b"x", 2) is None
    assert pings.answered(b"", 2) is None
    assert not future.done()


async def test_equal_payloads_are_answered_one_by_one() -> None:
    pings = Pings()
    futures = [pings.sent(b"same", now) for now in (1, 2)]
    pings.answered(b"same", 5)
    assert [future.done() for future in futures] == [True, False]


async def test_an_end_raises_and_does_not_look_like_a_cancelled_task() -> None:
    pings = Pings()
    future = pings.sent(b"a", 1)
    pings.fail(WebSocketClosed("gone", 1006))
    with pytest.raises(WebSocketClosed, match="gone"):
        await future


async def test_a_ping_that_nobody_awaits_may_be_dropped_or_cancelled() -> None:
    pings = Pings()
    pings.sent(b"a", 1).cancel()
    pings.sent(b"b", 1)
    assert pings.answered(b"b", 2) == 1
    pings.sent(b"c", 1)
    pings.fail(WebSocketError("gone"))  # and no complaint about an unseen exception


async def test_a_peer_that_never_answers_costs_bounded_memory() -> None:
    pings = Pings()
    futures = [pings.sent(b"%d" % i, i) for i in range(1030)]
    assert sum(future.done() for future in futures) == 6
    with pytest.raises(WebSocketError, match="too many"):
        await futures[0]
    assert pings.answered(b"6", 2000) == 1994


def test_payloads_differ() -> None:
    pings = Pings()
    assert len({pings.next_payload() for _ in range(1000)}) == 1000

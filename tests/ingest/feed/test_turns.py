"""Turns for messages, where a venue counts those of all connections together."""

import asyncio

from ingest.feed.turns import MessageTurns
from ingest.limits import Broker, Gate, Lane, local_gate

LANE = Lane("message", "hyperliquid", "h")


def turns_of(gate: Gate) -> tuple[MessageTurns, asyncio.Event]:
    stirred = asyncio.Event()
    return MessageTurns(gate, LANE, stirred.set), stirred


async def test_the_first_needs_none() -> None:
    """What a venue wants to hear soon does not wait for others."""
    broker = Broker(lambda _: (1, 1000.0))
    one, _ = turns_of(local_gate(broker))
    other, _ = turns_of(local_gate(broker))

    assert one.take()
    assert other.take()
    assert broker.waiting == 0


async def test_each_further_one_waits_for_its_turn() -> None:
    """It is asked for when there is something to send, and used once."""
    turns, stirred = turns_of(local_gate(Broker(lambda _: (1, 0.05))))
    assert turns.take()
    for _ in range(2):
        assert not turns.take()
        async with asyncio.timeout(5):
            await stirred.wait()
        stirred.clear()
        assert not turns.waiting
        assert turns.take()
    turns.close()


async def test_connections_take_turns() -> None:
    """Of one budget; and one that is closed gives up its place."""
    broker = Broker(lambda _: (1, 1000.0))
    gate = local_gate(broker)
    one, one_stirred = turns_of(gate)
    other, _ = turns_of(gate)
    assert one.take()
    assert other.take()
    assert not one.take()
    async with asyncio.timeout(5):
        await one_stirred.wait()
    assert one.take()
    assert not other.take()
    await asyncio.sleep(0)
    assert other.waiting
    assert broker.waiting == 1
    other.close()
    await asyncio.sleep(0)

    assert broker.waiting == 0

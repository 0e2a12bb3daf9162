"""`Broker` and `Gate`: turns given across tasks and processes."""

import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from ingest import venues
from ingest.limits import Ask, Broker, FromGate, Gate, Go, Lane, local_gate
from ingest.limits.broker import venue_group, venue_limit

LANE = Lane("rest", "binance", "h:443")
DEADLINE_S = 5.0


async def test_turns_come_by_themselves() -> None:
    """Two at once, the next when the window is over, without anybody asking again."""
    broker = Broker(lambda lane: (2, 0.1))
    gates = [local_gate(broker) for _ in range(3)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        times: list[float] = []

        async def ask(gate: Gate) -> None:
            await gate.turn(LANE, timeout_s=DEADLINE_S)
            times.append(loop.time() - began)

        for number in range(5):
            group.create_task(ask(gates[number % 3]))

    assert times[1] < 0.09
    assert times[2] >= 0.099
    assert times[4] >= 0.199
    assert broker.waiting == 0


async def test_every_wait_has_its_end() -> None:
    """After which the place is free for others."""
    broker = Broker(lambda lane: (1, 100.0))
    gate = local_gate(broker)
    await gate.turn(LANE, timeout_s=1)
    with pytest.raises(TimeoutError):
        await gate.turn(LANE, timeout_s=0.01)
    assert broker.waiting == 0


async def test_cancelled() -> None:
    broker = Broker(lambda lane: (1, 100.0))
    gate = local_gate(broker)
    await gate.turn(LANE, timeout_s=1)
    waiting = asyncio.create_task(gate.turn(LANE, timeout_s=100))
    await asyncio.sleep(0)
    assert broker.waiting == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert broker.waiting == 0


async def test_what_one_is_told_binds_all() -> None:
    """A ban, said once in the log; other hosts are free."""
    broker = Broker(lambda lane: (10, 1.0))
    one, other = local_gate(broker), local_gate(broker)
    began = asyncio.get_running_loop().time()
    with capture_logs() as lines:
        for _ in range(3):
            one.tell(LANE, stay_away_s=0.2)
    barred = Lane("rest", "binance", "barred:443")
    one.tell(barred, stay_away_s=1000)
    await other.turn(Lane("rest", "binance", "elsewhere:443"), timeout_s=DEADLINE_S)
    with pytest.raises(TimeoutError):
        await other.turn(barred, timeout_s=0.05)
    await other.turn(LANE, timeout_s=DEADLINE_S)

    assert asyncio.get_running_loop().time() - began >= 0.19
    assert lines[0]["event"].startswith("limits: a venue asks us to stay away")
    assert (lines[0]["host"], lines[0]["for_s"]) == ("h:443", 0.2)


async def test_used_up_by_others() -> None:
    gate = local_gate(Broker(lambda lane: (10, 1000.0)))
    gate.tell(LANE, used=10)
    with pytest.raises(TimeoutError):
        await gate.turn(LANE, timeout_s=0.01)
    soon = local_gate(Broker(lambda lane: (10, 0.1)))
    soon.tell(LANE, used=10)
    await soon.turn(LANE, timeout_s=DEADLINE_S)


async def test_through_a_pipe() -> None:
    """Everything is JSON; an owner that goes away waits for nothing any more."""
    broker = Broker(lambda lane: (1, 100.0))
    decode: Any = msgspec.json.Decoder(FromGate).decode
    sent: list[FromGate] = []

    def through(message: FromGate) -> None:
        sent.append(decode(msgspec.json.encode(message)))
        attachment.receive(sent[-1])

    gate = Gate(through)
    attachment = broker.attach(
        lambda number: gate.go(msgspec.json.decode(msgspec.json.encode(Go(number)), type=Go).id)
    )
    await gate.turn(LANE, 7, timeout_s=1)
    gate.tell(LANE, used=3)
    waiting = asyncio.create_task(gate.turn(LANE, timeout_s=0.1))
    await asyncio.sleep(0)
    assert broker.waiting == 1
    attachment.detach()
    assert broker.waiting == 0
    with pytest.raises(TimeoutError):
        await waiting

    assert sent[0] == Ask(1, LANE, 7)
    gate.go(1), gate.go(99)  # too late, or never asked: nobody minds


def test_limits_are_the_venues() -> None:
    binance = venues.get("binance")
    # Windows are longer, for what overtakes others on its way.
    assert venue_limit(Lane("connect", "binance", "h")) == (300, 315.25)
    assert binance.limits.connects == (300, 300.0)
    assert binance.rest_limits is not None
    assert venue_limit(LANE) == (6000, 63.25)
    assert binance.rest_limits.weight == (6000, 60.0)
    assert venue_limit(Lane("message", "hyperliquid", "h")) == (1800, 63.25)


@pytest.mark.parametrize("kind", ["connect", "rest"])
def test_who_shares(kind: Any) -> None:
    """Those whose own host is one, wherever the config has them be."""
    groups: dict[str, list[str]] = {}
    for name in venues.names():
        groups.setdefault(venue_group(Lane(kind, name, "h:1")), []).append(name)
    shared = list(groups.values())
    for names in (["htx-coinm", "htx-usdm"], ["kraken", "kraken-v1"], ["binance"], ["okx"]):
        assert names in shared


async def test_one_tries_for_all() -> None:
    """In several processes, and is logged once for all."""
    broker = Broker(lambda lane: (100, 1.0), base_s=0.001, cap_s=0.01)
    gates = [local_gate(broker) for _ in range(3)]
    lane = Lane("connect", "binance", "w:443")
    trying = failed = 0
    with capture_logs() as lines:
        # Another venue at the same place is reached.
        other = Lane("connect", "okx", "w:443")
        gates[0].ended(await gates[0].turn(other, timeout_s=DEADLINE_S), reached=True)

        async def connect(number: int) -> None:
            nonlocal trying, failed
            gate = gates[number % 3]
            while True:
                turn = await gate.turn(lane, who=f"{number}", timeout_s=DEADLINE_S)
                trying += 1
                reached = failed >= 5
                assert reached or trying == 1
                await asyncio.sleep(0)
                trying -= 1
                failed += not reached
                gate.ended(turn, reached=reached)
                if reached:
                    return

        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(connect(number))
    assert failed == 5
    assert [line["event"] for line in lines] == [
        "limits: a host is not reached; one connection tries for all",
        "limits: a host is reached again",
    ]

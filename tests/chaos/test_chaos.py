"""The service under faults: a few schedules in every run, a harder one when asked for."""

from collections.abc import Sequence

import pytest

from tests.chaos import schedule
from tests.chaos.life import Life
from tests.chaos.schedule import Fault
from tests.chaos.soak import growth

# A worker killed while Redis is away; everything between us and both of them at once.
_SEEDS = (1032, 5)


async def _live(*schedules: Sequence[Fault]) -> Life:
    life = Life(seed=1)
    try:
        await life.start()
        for faults in schedules:
            await life.run(faults)
        await life.finish()
    finally:
        await life.end(keep=False)
    return life


async def test_a_few_seeds() -> None:
    """Nothing is lost without a mark, or doubled; all flows again."""
    life = await _live(*map(schedule.draw, _SEEDS))
    assert life.summary()["books"] > 0


@pytest.mark.long
async def test_a_worker_is_killed_every_5_s() -> None:
    """For a minute: what is missing is what the markers say, and the streams go on."""
    kills = [Fault(5.0 * n, "worker", "kill", 0.0, str(n % 2)) for n in range(1, 13)]
    life = await _live(kills)
    resets = sum(each.markers["reset worker_restarted"] for each in life.checkers.values())
    assert resets > 0
    print(life.summary())


def test_schedules_are_repeatable() -> None:
    """A seed is all that is needed to have one again."""
    assert schedule.draw(7) == schedule.draw(7)
    drawn = {f"{fault.target} {fault.kind}" for n in range(1000) for fault in schedule.draw(n)}
    assert drawn == set(schedule._KINDS)


@pytest.mark.parametrize(
    ("samples", "grew"),
    [
        ([50, *[100] * 20], ""),
        ([100, 120] * 10, ""),
        (list(range(100, 140)), "from 114.5 to 134.5"),
        ([1, 2, 3], ""),
    ],
)
def test_growth(samples: list[int], grew: str) -> None:
    """A process that only fills its caches is told from one that grows."""
    assert growth(samples, 0.0, 4) == grew

"""The service under faults: a few schedules in every run, a harder one when asked for."""

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.config import load
from ingest.errors import ConfigError
from tests.chaos import reloads, schedule
from tests.chaos.checker import QuoteChecker
from tests.chaos.life import Life
from tests.chaos.schedule import Fault
from tests.chaos.soak import growth

# A worker killed while Redis is away; everything between us and both of them at once.
_SEEDS = (1032, 5)


async def _live(*schedules: Sequence[Fault], **options: Any) -> Life:
    life = Life(seed=1, **options)
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


@pytest.mark.long
async def test_what_is_conflated_is_counted() -> None:
    """Each best price that is missing, if nothing but the server was away."""
    life = await _live([Fault(0.5, "redis", "kill", 4.0)], conflate=True, redundancy=1)
    [totals] = [e for e in life.service.events if e["event"] == "service: workers stopped"]
    quotes = [each for each in life.checkers.values() if isinstance(each, QuoteChecker)]
    missing = sum((each.missing for each in quotes), Counter())
    assert set(missing) == {"conflated"}
    assert missing["conflated"] == totals["conflated"] > 100


def test_reloads(tmp_path: Path) -> None:
    """One is refused, all others are configs; none changes the one that it is made of."""
    feed = {"venue": "binance", "channels": ["trade"], "redundancy": 1}
    config = {
        "venues": {"binance": {"ws_url": "ws://127.0.0.1:1", "rest_url": "http://127.0.0.1:1"}},
        "feeds": [{**feed, "instruments": [name]} for name in ("BTC-USDT", "ETH-USDT")],
    }
    before = json.dumps(config)
    file = tmp_path / "config.yaml"
    for kind in reloads.KINDS:
        file.write_text(json.dumps(reloads.changed(config, kind)))
        assert file.read_text() != before == json.dumps(config)
        with pytest.raises(ConfigError) if kind == "bad" else contextlib.nullcontext():
            load(str(file))


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

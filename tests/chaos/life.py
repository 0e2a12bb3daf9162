"""One life of a service: schedules one after the other, each checked, then a graceful end."""

import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis.asyncio as redis

from ingest import health
from tests.chaos import checker
from tests.chaos.checker import BookChecker, Checker, TradeChecker
from tests.chaos.faults import Faults, Forgotten
from tests.chaos.market import SPAN, Instrument
from tests.chaos.programs import ROOT, RedisServer, Service
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Fault
from tests.chaos.venue import Rates, Venue

RECOVERY_S = 120.0  # without anything that has changed
_MOST_S = 600.0  # whatever changes
_SILENCE_S = 10.0
_LOOK_S = 0.05
_KEY = "md:binance:{}:{}"
_CHANNELS = ("trade", "bbo", "book")
_PAGE = 1000
_OLD_MS = 10_000  # nothing changes any more in what was received before
_WORKERS = 2
# Windows of minutes are too long here: see tests/service/scaled.
_LIMITS = {"binance": {"connects": [300, 10.0], "rest": [6000, 6.0]}}


class Failed(Exception):
    """Something is wrong with the service; says what."""


class _Patience:
    """A machine that is busy with other things is slow; what stands still is broken."""

    def __init__(self, still_s: float = RECOVERY_S) -> None:
        self._still_s = still_s
        self._began = self._changed = time.monotonic()
        self._seen: object = None

    def lasts(self, seen: object) -> bool:
        """Whether to go on waiting; *seen* is what has to change meanwhile."""
        now = time.monotonic()
        if seen != self._seen:
            self._seen, self._changed = seen, now
        return now - self._changed < self._still_s and now - self._began < _MOST_S


class Life:
    """Everything that a run needs; `directory` is left behind if it fails."""

    def __init__(
        self,
        *,
        seed: int,
        rates: Rates = Rates(trades=40, quotes=40, updates=20),  # noqa: B008  # never changed
        instruments: Sequence[str] = ("BTC-USDT", "ETH-USDT"),
        maxlen: int | None = None,
        forget: bool = False,
        spool: str | None = None,
        redundancy: int | None = None,
        conflate: bool | None = None,
    ) -> None:
        """What is None is drawn."""
        rng = random.Random(f"life {seed}")
        self.directory = Path(tempfile.mkdtemp(prefix="chaos"))
        self.instruments = [Instrument(name, salt) for salt, name in enumerate(instruments)]
        self.health = self.directory / "health"
        self.venue = Venue(self.instruments, rates)
        self.server = RedisServer(self.directory)
        self.to_redis = Proxy(self.server.path, rng)
        self.checkers: dict[str, Checker] = {
            (key := _KEY.format(channel, i.name)): checker.make(key, i, forget=forget)
            for i in self.instruments
            for channel in _CHANNELS
        }
        self._checking = asyncio.Lock()
        self._rng = rng
        self._maxlen = maxlen
        # Little room in some lives, so that it runs out.
        self._spool = spool or rng.choice(("1MiB", "64MiB"))
        self._redundancy = redundancy or rng.choice((1, 1, 2))
        self._conflate = rng.random() < 1 / 3 if conflate is None else conflate
        self._forget = forget

    async def start(self) -> None:
        """Return once all streams flow."""
        self.to_venue = Proxy(await self.venue.start(), self._rng)
        await self.to_venue.start()
        await self.to_redis.start()
        await self.server.start()
        config = self._config()
        self.service = Service(
            config,
            self.directory,
            {
                "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/service/scaled'}",
                "INGEST_TEST_LIMITS": json.dumps(_LIMITS),
                health.VARIABLE: str(self.health),
            },
        )
        self._faults = Faults(
            self.venue,
            self.to_venue,
            self.server,
            self.to_redis,
            self.service,
            config,
            remember=not self._forget,
        )
        await self.service.start()
        await self.recovered()

    def _config(self) -> dict[str, Any]:
        address = f"127.0.0.1:{self.to_venue.port}"
        redis: dict[str, Any] = {"url": f"redis://127.0.0.1:{self.to_redis.port}/0"}
        if self._maxlen is not None:
            redis["maxlen"] = self._maxlen
        return {
            "redis": redis,
            "workers": _WORKERS,
            "venues": {"binance": {"ws_url": f"ws://{address}", "rest_url": f"http://{address}"}},
            "feeds": [  # one for each worker
                {
                    **{"venue": "binance", "channels": list(_CHANNELS)},
                    "instruments": [each.name for each in self.instruments[worker::_WORKERS]],
                    "redundancy": self._redundancy,
                }
                for worker in range(_WORKERS)
            ],
            "spool": {"max_size": self._spool},
            "when_slow": {"bbo": "conflate" if self._conflate else "spool"},
            "reconnect": {"base_s": 0.02, "cap_s": 0.3, "healthy_after_s": 5},
            "websocket": {"open_timeout_s": 2, "ping_interval_s": 0.5, "ping_timeout_s": 1.5},
            # Most of it for an interpreter that ends on a machine that is busy.
            "shutdown": {"grace_s": 10},
            "metrics": {"listen": None},
            "log": {"level": "info"},
        }

    async def run(self, faults: Sequence[Fault]) -> None:
        """Go through a schedule, recover, check.

        Raises:
            Failed: something is wrong.
        """
        await self._faults.run(faults)
        await self.recovered()
        for each in self._faults.forgotten:
            await self._look_for(each)
        self._faults.forgotten.clear()

    async def recovered(self) -> None:
        """Return once what the venue says from now on is in all streams, and they are checked.

        Raises:
            Failed: it takes too long, or a stream is wrong.
        """
        patience = _Patience()
        wanted = self._numbers()
        late = set(self.checkers)
        while late:
            newest = {key: await self._newest(key) for key in late}
            late = {key for key in late if newest[key] <= wanted[key]}
            self._wait(patience, newest, f"nothing new in {sorted(late)}")
            await asyncio.sleep(_LOOK_S)
        while True:
            await self.check()
            torn = [key for key, each in self.checkers.items() if not each.whole]
            if not torn:
                return
            self._wait(patience, torn, f"not whole again: {torn}")
            await asyncio.sleep(_LOOK_S)

    def _wait(self, patience: _Patience, seen: object, what: str) -> None:
        self.venue.check()
        if not self.service.running:
            raise Failed(f"the service ended with {self.service.statuses}")
        if not patience.lasts((seen, self.service.logged)):
            raise Failed(f"not recovered, and for {RECOVERY_S:g} s no change: {what}")

    def _numbers(self) -> dict[str, int]:
        """The last number that the venue gave, by stream."""
        numbers = {}
        for each in self.instruments:
            numbers[f"md:binance:trade:{each.name}"] = each.trades
            numbers[f"md:binance:bbo:{each.name}"] = each.quotes
            numbers[f"md:binance:book:{each.name}"] = each.updates * SPAN
        return numbers

    async def _newest(self, key: str) -> int:
        """The highest number among the newest entries of a stream."""
        entries = await self.server.client.xrevrange(key, count=5)
        return max((int(f.get("id") or f.get("seq") or 0) for _, f in entries), default=0)

    async def check(self, up_to: str = "+") -> None:
        """Look at what is new in the streams, up to an id. Raises Failed."""
        async with self._checking:
            for key, each in self.checkers.items():
                await self._read(key, each, up_to)
        self._raise_problems()

    async def _read(self, key: str, each: Checker, up_to: str = "+") -> None:
        entries: Sequence[object] = range(_PAGE)
        while len(entries) == _PAGE:
            entries = await self.server.client.xrange(
                key, min=f"({each.position}", max=up_to, count=_PAGE
            )
            for entry_id, fields in entries:
                each.take(entry_id, fields)

    async def follow(self) -> None:
        """Check what is some seconds old all the time, and delete it; for long lives.

        What is younger may still be lost by the server, and come again. Raises Failed.
        """
        while True:
            await asyncio.sleep(_LOOK_S)
            up_to = f"{time.time_ns() // 10**6 - _OLD_MS}"
            with contextlib.suppress(redis.RedisError):  # it is away
                await self.check(up_to)
                for key, each in self.checkers.items():
                    if int(each.position.partition("-")[0]) < int(up_to):
                        await self.server.client.xtrim(key, minid=each.position)

    async def _check_anew(self) -> None:
        """All of it: what was checked once may have been lost since. Raises Failed."""
        for instrument in self.instruments:
            for channel in _CHANNELS:
                key = _KEY.format(channel, instrument.name)
                again = checker.make(key, instrument)
                await self._read(key, again)
                self.checkers[key].problems += again.problems
        self._raise_problems()

    async def _look_for(self, forgotten: Forgotten) -> None:
        """What the server forgot is there again. Raises Failed."""
        if self.service.pids != forgotten.workers:
            return  # who would have sent it again is gone, and a `reset` says so
        for key, entries in forgotten.entries.items():
            for entry_id, fields in entries:
                if await self.server.client.xrange(key, entry_id, entry_id) != [(entry_id, fields)]:
                    raise Failed(f"{key}: {entry_id} was forgotten, and not sent again: {fields}")

    def _raise_problems(self) -> None:
        if not self._conflate and any(e.markers["gap conflated"] for e in self.checkers.values()):
            raise Failed("something was conflated that should not be")
        problems = [p for each in self.checkers.values() for p in each.problems]
        problems += [f"logged: {text}" for text in self.service.failures]
        problems += [f"written to stderr: {text}" for text in self.service.noise]
        if problems:
            raise Failed("\n".join(problems))

    async def finish(self) -> None:
        """Let all arrive that was sent, then stop gracefully. Raises Failed."""
        patience = _Patience()
        while not await self._arrives(wanted := self._last_words()):
            # A connection that ended just then took them with it; what is stuck stays so.
            self._wait(patience, None, "what was sent last is not in the streams")
            self.venue.paused = False
            await self.recovered()
        status = await self.service.stop()
        await self.service.gone()
        await self.check()
        for key, each in self.checkers.items():
            if each.unmarked_until != wanted[key]:
                raise Failed(f"{key}: ends with {each.unmarked_until}, not with {wanted[key]}")
        if not self._forget:
            await self._check_anew()
        left = sorted(self.directory.glob("data/spool/**/*.segment"))
        if status or left:
            raise Failed(f"ended with status {status}, left on disk: {left}")

    def _last_words(self) -> dict[str, int]:
        """Have the venue fall silent; return what it said last."""
        self.venue.paused = True
        return self._numbers()

    async def _arrives(self, wanted: dict[str, int]) -> bool:
        """Wait for it, as long as there is more and more."""
        patience = _Patience(_SILENCE_S)
        while (newest := {key: await self._newest(key) for key in wanted}) != wanted:
            if not patience.lasts(newest):
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    async def end(self, *, keep: bool) -> None:
        """Nothing is left running; with *keep* the directory is."""
        if hasattr(self, "service"):
            self.service.end()
        await self.server.stop()
        for each in (self.to_redis, self.to_venue, self.venue):
            await each.stop()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def summary(self) -> dict[str, int]:
        """What was seen."""
        counts = {"entries": 0, "markers": 0, "books": 0, "backfilled": 0, "missing": 0}
        for each in self.checkers.values():
            counts["entries"] += each.entries
            counts["markers"] += each.markers.total()
            if isinstance(each, BookChecker):
                counts["books"] += each.compared
            if isinstance(each, TradeChecker):
                counts["backfilled"] += each.backfilled
                counts["missing"] += len(each.missing)
        return counts

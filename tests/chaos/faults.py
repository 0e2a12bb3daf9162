"""Does to the parts of a life what its schedule says, and undoes it."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis.asyncio as redis

from tests.chaos import reloads
from tests.chaos.programs import RedisServer, Service, open_files, set_limit
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Fault
from tests.chaos.venue import Venue

_LINK_FAULTS = ("cut", "stall", "half_open", "slow", "reset_mid_frame", "corrupt")
_LINK_FAULTS += ("cut_one", "half_open_one")
_SMALL_FILE = 4096
_SLOW_ANSWER_S = 1.5
_KEPT_S = 5.0  # what was acknowledged before may be lost for good


class Forgotten(NamedTuple):
    """What a server had acknowledged and then lost, and who is to send it again."""

    workers: dict[int, int]  # process ids
    entries: dict[str, list[tuple[str, dict[str, str]]]]  # by stream


class Faults:
    """Faults of one target come one after the other, those of several at once."""

    def __init__(
        self,
        venue: Venue,
        to_venue: Proxy,
        server: RedisServer,
        to_redis: Proxy,
        service: Service,
        config: dict[str, Any],
        *,
        remember: bool = True,
    ) -> None:
        """*config* is that of the service; *remember* what a server forgot."""
        self._venue = venue
        self._server = server
        self._service = service
        self._config = config
        self._remember = remember
        self.forgotten: list[Forgotten] = []  # to be looked for afterwards
        self._proxies = {"venue": to_venue, "redis": to_redis}
        self._locks: dict[str, asyncio.Lock] = {}

    async def run(self, faults: Sequence[Fault]) -> None:
        """Return once all are over."""
        self._locks.clear()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._run(fault))

    async def _run(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s)
        # A link is one target, the program behind it another.
        target = fault.target
        if fault.kind in _LINK_FAULTS:
            target += " link"
        elif target == "worker":
            target += fault.detail
        async with self._locks.setdefault(target, asyncio.Lock()):
            if fault.kind in _LINK_FAULTS:
                await self._break_link(fault)
            else:
                await getattr(self, f"_{fault.target}_{fault.kind}")(fault)

    async def _break_link(self, fault: Fault) -> None:
        proxy = self._proxies[fault.target]
        do = getattr(proxy, fault.kind)
        do(float(fault.detail)) if fault.detail else do()
        await asyncio.sleep(fault.for_s)
        proxy.heal()

    # -- the venue ------------------------------------------------------------------

    async def _venue_close(self, fault: Fault) -> None:
        self._venue.close_all(int(fault.detail))

    async def _venue_rest(self, fault: Fault) -> None:
        if fault.detail == "slow":
            self._venue.rest_delay_s = _SLOW_ANSWER_S
        else:
            self._venue.rest = fault.detail
        await asyncio.sleep(fault.for_s)
        self._venue.rest, self._venue.rest_delay_s = "ok", 0.0

    async def _venue_burst(self, fault: Fault) -> None:
        self._venue.burst = float(fault.detail)
        await asyncio.sleep(fault.for_s)
        self._venue.burst = 1.0

    # -- Redis ----------------------------------------------------------------------

    async def _redis_kill(self, fault: Fault) -> None:
        await self._server.kill()
        await asyncio.sleep(fault.for_s)
        await self._server.start()

    async def _redis_forget(self, fault: Fault) -> None:
        """It loses what it took in the last moments."""
        client, workers = self._server.client, dict(self._service.pids)
        noted_s, written = time.monotonic(), self._server.written()
        began = {}
        if self._remember:
            keys = [key async for key in client.scan_iter("md:*", _type="stream")]
            began = {key: await client.xrevrange(key, count=1) for key in keys}
        await asyncio.sleep(fault.for_s)
        entries = {
            key: await client.xrange(key, min=f"({newest[0][0]}")
            for key, newest in began.items()
            if newest
        }
        await self._server.kill_and_forget(written)
        kept = time.monotonic() - noted_s < _KEPT_S
        await self._server.start()
        if kept:
            self.forgotten.append(Forgotten(workers, entries))
        else:
            self.forgotten.clear()  # maybe what had just been sent again, for good

    async def _redis_stop(self, fault: Fault) -> None:
        self._server.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.for_s)
        self._server.signal(signal.SIGCONT)

    async def _redis_oom(self, fault: Fault) -> None:
        await self._command("CONFIG", "SET", "maxmemory", "1mb")
        await asyncio.sleep(fault.for_s)
        await self._command("CONFIG", "SET", "maxmemory", "0")

    async def _redis_readonly(self, fault: Fault) -> None:
        await self._command("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(fault.for_s)
        await self._command("REPLICAOF", "NO", "ONE")

    async def _redis_clients(self, fault: Fault) -> None:
        with contextlib.suppress(redis.RedisError):  # us, too
            await self._server.client.execute_command("CLIENT", "KILL", "TYPE", "NORMAL")

    async def _redis_pause(self, fault: Fault) -> None:
        await self._command("CLIENT", "PAUSE", str(int(fault.for_s * 1000)), "WRITE")
        await asyncio.sleep(fault.for_s)

    async def _command(self, *words: str) -> None:
        await self._server.client.execute_command(*words)

    # -- workers ----------------------------------------------------------------------

    async def _worker_kill(self, fault: Fault) -> None:
        self._service.signal_worker(int(fault.detail), signal.SIGKILL)

    async def _worker_stop(self, fault: Fault) -> None:
        pid = self._service.signal_worker(int(fault.detail), signal.SIGSTOP)
        await asyncio.sleep(fault.for_s)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _worker_disk(self, fault: Fault) -> None:
        """As if it were full: a file that is longer is refused."""
        worker = int(fault.detail)
        found = self._service.limit_worker(worker, resource.RLIMIT_FSIZE, _SMALL_FILE)
        await asyncio.sleep(fault.for_s)
        if found is not None:
            set_limit(found[0], resource.RLIMIT_FSIZE, found[1])

    async def _worker_files(self, fault: Fault) -> None:
        """It gets no new descriptor."""
        worker = int(fault.detail)
        pid = self._service.pids.get(worker)
        try:
            limit = 0 if pid is None else open_files(pid)
        except OSError:
            limit = 0
        found = None
        if limit:
            found = self._service.limit_worker(worker, resource.RLIMIT_NOFILE, limit)
        await asyncio.sleep(fault.for_s)
        if found is not None:
            set_limit(found[0], resource.RLIMIT_NOFILE, found[1])

    # -- the service --------------------------------------------------------------------

    async def _service_term(self, fault: Fault) -> None:
        await self._service.stop()
        await asyncio.sleep(fault.for_s)
        await self._service.start()

    async def _service_kill(self, fault: Fault) -> None:
        await self._service.stop(signal.SIGKILL)
        await asyncio.sleep(fault.for_s)
        await self._service.start()

    async def _service_reload(self, fault: Fault) -> None:
        service = self._service
        await self._reload(0)  # from here on it runs, and has a handler
        if fault.detail == "hup":
            service.configure(reloads.changed(self._config, fault.detail))
            service.hang_up()
        else:
            service.configure(reloads.changed(self._config, fault.detail))
            await self._reload(2 if fault.detail == "bad" else 0)
        await asyncio.sleep(fault.for_s)
        service.configure(self._config)
        await self._reload(0)

    async def _reload(self, expected: int) -> None:
        try:
            answer = await self._service.reload()
        except TimeoutError:
            self._service.failures.append("reload: it does not come to pass")
            return
        if answer.status != expected:
            self._service.failures.append(f"reload: {answer}, not {expected}")

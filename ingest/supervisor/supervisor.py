"""Starts the workers, restarts those that die, stops them in order."""

import asyncio
import copy
import signal
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from msgspec import structs

from ingest.config.schema import LogLevel
from ingest.feed.status import Totals, WorkerStatus
from ingest.limits import Broker, Go
from ingest.plan import ConnectionPlan, Plan, WorkerPlan
from ingest.supervisor.changes import Changes, lightest, with_connection
from ingest.supervisor.homes import Homes
from ingest.supervisor.process import Message, WorkerProcess, describe_exit
from ingest.venues.base import Topic
from ingest.worker.start import FromSupervisor, Less, Level, More, WorkerStart
from wscore import Backoff

_log = structlog.get_logger(__name__)

_RESTART_BASE_S = 0.2
_RESTART_CAP_S = 30.0
_HEALTHY_AFTER_S = 30.0
# A worker reports twice a second from the loop that does the work. Silence for so
# long means that the loop is stuck.
_HUNG_AFTER_S = 30.0
# One that starts has modules to load first, on a machine that may be busy.
_STARTED_AFTER_S = 120.0
_LOOK_S = 1.0


class Supervisor:
    """Runs a plan's workers; does no market-data work itself.

    `run` until `stop`; a second `stop` kills. `statuses` holds each worker's last
    report, also after it ended.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        on_status: Callable[[WorkerStatus], None] | None = None,
        broker: Broker | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        """*broker*: who gives turns to the workers; without one, a new one.

        *inherited* are open files that each worker keeps open as long as it lives.
        """
        self._inherited = inherited
        self._plans = {worker.worker: worker for worker in plan.workers}
        # Of what changed in a plan, what its process was not yet told.
        self._untold: dict[int, list[FromSupervisor]] = {number: [] for number in self._plans}
        self.homes = Homes(plan.workers)
        self._broker = broker or Broker()
        self._on_status = on_status
        self.statuses: dict[int, WorkerStatus] = {}
        self.restarts = 0
        self._past = Totals()  # of processes that died, but for each worker's latest
        self._heard: dict[int, float] = {}  # monotonic seconds, by worker
        self._processes: dict[int, WorkerProcess] = {}
        self._stopping = asyncio.Event()
        self._grace_s = max(worker.shutdown.grace_s for worker in plan.workers)
        self._forced = False
        self._unclean = False

    async def run(self) -> int:
        """Run until stopped; return 0 if every worker ended gracefully and in time, else 1."""
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep_running(number)) for number in self._plans]
            group.create_task(self._enforce_grace(keepers))
        return 1 if self._forced or self._unclean else 0

    def stop(self) -> None:
        """Stop gracefully; called again, kill."""
        if self._stopping.is_set():
            self._forced = True
            _log.warning("supervisor: second signal, killing the workers")
            self._signal_all(signal.SIGKILL)
            return
        self._stopping.set()
        self._signal_all(signal.SIGTERM)

    def add(self, connection: ConnectionPlan) -> int:
        """Give one connection more to the worker that wrote its streams; return which.

        There is one: see `Homes.apart`. If nobody wrote them, it is the one with the
        fewest topics.
        """
        [home] = self.homes.apart(connection.venue, connection.topics) or [None]
        number = lightest(self._plans.values()) if home is None else home
        self._plans[number] = with_connection(self._plans[number], connection)
        self.homes.note(connection, number)
        self._untold[number].append(More(connection))
        return number

    def remove(self, connection: str, topics: Sequence[Topic], reason: str) -> None:
        """Have a connection, by its name, leave some topics; without any it ends."""
        gone = set(topics)
        for plan in self._plans.values():
            for old in plan.connections:
                if old.name == connection:
                    rest = tuple(topic for topic in old.topics if topic not in gone)
                    new = (structs.replace(old, topics=rest),) if rest else ()
                    at = plan.connections.index(old)
                    self._plans[plan.worker] = structs.replace(
                        plan,
                        connections=(*plan.connections[:at], *new, *plan.connections[at + 1 :]),
                    )
                    self._untold[plan.worker].append(Less(connection, tuple(topics), reason))
                    return

    def apply(self, changes: Changes) -> None:
        """Go on as *changes* say, which were found by comparing with `plans`."""
        self._plans.update(changes.plans)
        for number, message in changes.messages:
            if isinstance(message, More):
                self.homes.note(message.connection, number)
            self._untold[number].append(message)

    def set_level(self, level: LogLevel) -> None:
        """Have the workers log that much from now on."""
        for number, plan in self._plans.items():
            self._plans[number] = structs.replace(plan, log_level=level)
            self._untold[number].append(Level(level))

    @property
    def plans(self) -> Mapping[int, WorkerPlan]:
        """What each worker has, as it is now."""
        return self._plans

    @property
    def settled(self) -> bool:
        """Whether all that earlier runs left on disk is sent: anybody may write any stream."""
        return all(
            number in self.statuses and not self.statuses[number].recovering
            for number in self._plans
        )

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the running workers, by worker."""
        return {worker: process.pid for worker, process in self._processes.items()}

    def totals(self) -> Totals:
        """Return what all workers did, by their last reports."""
        totals = copy.deepcopy(self._past)
        for status in self.statuses.values():
            totals.add(status)
        return totals

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.signal(number)

    async def _keep_running(self, number: int) -> None:
        """One worker's life, across its processes."""
        backoff = Backoff(
            base_s=_RESTART_BASE_S,
            cap_s=_RESTART_CAP_S,
            healthy_after_s=_HEALTHY_AFTER_S,
        )
        restarts = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            died_of = await self._run_once(self._plans[number], restarts)
            if self._stopping.is_set():
                self._unclean |= died_of is not None
                break
            restarts += 1
            self.restarts += 1
            delay_s = backoff.next_delay_s(connected_for_s=time.monotonic() - started)
            _log.error(
                "supervisor: worker died, restarting",
                worker=number,
                died_of=died_of or "exit status 0",
                lived_s=round(time.monotonic() - started, 3),
                restarts=restarts,
                retry_in_s=round(delay_s, 3),
            )
            try:
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _run_once(self, worker: WorkerPlan, restarts: int) -> str | None:
        """Run one process to its end; return what it died of, None if it ended in order."""
        number = worker.worker
        start = WorkerStart(plan=worker, restarts=restarts)
        self._untold[number].clear()  # it is in the plan

        def on_message(message: Message) -> None:
            if isinstance(message, WorkerStatus):
                self._on_report(message)
                for change in self._untold[number]:
                    process.tell(change)
                self._untold[number].clear()
            else:
                attachment.receive(message)

        try:
            process = await WorkerProcess.start(start, on_message, inherited=self._inherited)
        except OSError as exc:
            return f"not started: {exc}"
        # Before it can have asked: nothing is read from it until this task waits.
        attachment = self._broker.attach(lambda asked: process.tell(Go(asked)))
        self._processes[number] = process
        self._heard[number] = time.monotonic()
        if self._stopping.is_set():  # while it was being started
            process.signal(signal.SIGKILL if self._forced else signal.SIGTERM)
        watchdog = asyncio.create_task(self._watch(number, process))
        try:
            status = await process.wait()
        finally:
            watchdog.cancel()
            attachment.detach()
            del self._processes[number]
        # A SIGTERM that comes before the worker has a handler for it finds one that
        # has not begun to work.
        if status == 0 or (self._stopping.is_set() and status == -signal.SIGTERM):
            return None
        return describe_exit(status)

    async def _watch(self, number: int, process: WorkerProcess) -> None:
        """End a worker whose loop has stopped turning: it cannot end itself."""
        while True:
            if self._left_s(number, process) <= 0:
                # Perhaps we were stopped, not it: read first what waits in the pipe.
                await asyncio.sleep(_LOOK_S)
                if self._left_s(number, process) > 0:
                    continue
                _log.error("supervisor: worker hangs, ending it", worker=number, pid=process.pid)
                process.signal(signal.SIGABRT)
                await asyncio.sleep(2.0)
                process.signal(signal.SIGKILL)
                return
            await asyncio.sleep(min(self._left_s(number, process), _LOOK_S))

    def _left_s(self, number: int, process: WorkerProcess) -> float:
        """Return how long a worker may still be silent."""
        status = self.statuses.get(number)
        started = status is not None and status.pid == process.pid
        silent_s = time.monotonic() - self._heard[number]
        return (_HUNG_AFTER_S if started else _STARTED_AFTER_S) - silent_s

    async def _enforce_grace(self, keepers: "list[asyncio.Task[None]]") -> None:
        await self._stopping.wait()
        _, late = await asyncio.wait(keepers, timeout=self._grace_s)
        if late:
            self._forced = True
            _log.error(
                "supervisor: workers did not stop in time, killing them",
                workers=len(late),
                grace_s=self._grace_s,
            )
            self._signal_all(signal.SIGKILL)

    def _on_report(self, status: WorkerStatus) -> None:
        self._heard[status.worker] = time.monotonic()
        before = self.statuses.get(status.worker)
        if before is not None and before.pid != status.pid:
            self._past.add(before)
        self.statuses[status.worker] = status
        if self._on_status is not None:
            self._on_status(status)

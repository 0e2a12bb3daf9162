"""The whole service: embedded server if there is no other, supervisor, signals."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable

import structlog
from msgspec import structs

from ingest.config.schema import Config
from ingest.cores import available_cores
from ingest.embedded import EmbeddedServer
from ingest.errors import EmbeddedServerError, IngestError
from ingest.feed.status import WorkerStatus
from ingest.files import make_private
from ingest.instruments import InstrumentSource
from ingest.instruments.cache import ListingCache
from ingest.limits import Broker, local_gate, remembering
from ingest.plan import LogFormat, make_plan
from ingest.supervisor.control import serving, socket_path
from ingest.supervisor.listings import select
from ingest.supervisor.process import describe_exit
from ingest.supervisor.reload import Reloader
from ingest.supervisor.spools import SpoolRoom
from ingest.supervisor.supervisor import Supervisor
from wscore import AsyncSession, Backoff, CurlError
from wscore.provider import ensure_loaded

_log = structlog.get_logger(__name__)

_SERVER_STOP_S = 5.0
_ASKING = 256  # REST requests of this process at a time


class StopSignals:
    """SIGTERM and SIGINT, for the task that makes it: the first stops, the second forces.

    SIGHUP asks for a reload; where the terminal is gone that we had, it stops, too.

    While `supervisor` is set, stopping is its matter. Before and after, when the
    embedded server starts or ends, the task is cancelled.
    """

    def __init__(self) -> None:
        self.received = 0
        self.supervisor: Supervisor | None = None
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self.reload = asyncio.Event()  # SIGHUP came; its reader clears it
        loop = asyncio.get_running_loop()
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # by `nohup`
        self._had_terminal = not ignored and _has_terminal()
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        self.received += 1
        _log.info("service: signal received", signal=number.name)
        if self.supervisor is not None:
            self.supervisor.stop()
        else:
            self._task.cancel()

    def _on_hangup(self) -> None:
        if self._had_terminal and not _has_terminal():
            self._on_signal(signal.SIGHUP)
        else:
            self.reload.set()

    def ignore(self) -> None:
        """All is done: a signal that comes now no longer changes the exit status."""
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        loop = asyncio.get_running_loop()
        # Blocked meanwhile: the loop puts the default action back when it lets go of
        # a signal, and would do so at its end.
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


async def run_service(
    config: Config,
    log_format: LogFormat,
    *,
    name: str = "default",
    on_status: Callable[[WorkerStatus], None] | None = None,
    load: Callable[[], Config],
) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    *name* tells services apart that share a data directory. *load* reads the config
    again, at SIGHUP or when asked to; it raises ConfigError.

    Raises:
        SpoolError: the spool's directory cannot be used.
        EmbeddedServerError: there is no `redis.url`, and our own server does not start.
        IngestError: there is no usable libcurl.
    """
    signals = StopSignals()
    _allow_descriptors()
    try:
        # If we make it, it is for us alone. Who needs it says what that means to them.
        make_private(config.data_dir)
    except OSError as exc:
        _log.warning("service: no data directory", path=config.data_dir, error=str(exc))
    try:
        # In each worker it would only fail again and again.
        ensure_loaded()
    except CurlError as exc:
        raise IngestError(str(exc)) from exc
    try:
        broker = Broker(base_s=config.reconnect.base_s, cap_s=config.reconnect.cap_s)
        async with (
            remembering(broker, config.data_dir),
            spool_room(config, name) as room,
            redis_for(config) as redis_url,
            AsyncSession(max_clients=_ASKING) as session,
        ):
            source = InstrumentSource(
                config, session, local_gate(broker), cache=ListingCache(config.data_dir)
            )
            selected = await select(config, source)
            plan = make_plan(
                config,
                cores=available_cores(),
                redis_url=redis_url,
                log_format=log_format,
                selected=selected,
            )
            if room is not None:
                plan = await room.prepare(plan)
            for note in plan.notes:
                _log.warning(f"plan: {note}")
            supervisor = Supervisor(
                plan,
                on_status=on_status,
                broker=broker,
                inherited=() if room is None else (room.lock_fd,),
            )
            signals.supervisor = supervisor
            _log.info(
                "service: started",
                workers=len(plan.workers),
                connections=sum(len(worker.connections) for worker in plan.workers),
                topics=sum(worker.topics for worker in plan.workers),
            )
            reloader = Reloader(config, load, supervisor, source, selected)
            reloading = asyncio.create_task(_reload_on(signals.reload, reloader))
            try:
                async with serving(socket_path(config.data_dir, name), lambda _: reloader.reload()):
                    status = await supervisor.run()
            finally:
                signals.supervisor = None
                reloading.cancel()
                await asyncio.wait([reloading])
                await reloader.close()
            _log.info(
                "service: workers stopped",
                restarts=supervisor.restarts,
                **structs.asdict(supervisor.totals()),
            )
    except asyncio.CancelledError:
        if not signals.received:
            raise
        status = 0 if signals.received == 1 else 1
    signals.ignore()
    _log.info("service: stopped", status=status)
    return status


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _allow_descriptors() -> None:
    """As many as we may have, for us and the workers: a connection takes one, or more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _reload_on(asked: asyncio.Event, reloader: Reloader) -> None:
    while True:
        await asked.wait()
        asked.clear()
        await reloader.reload()


@contextlib.asynccontextmanager
async def spool_room(config: Config, name: str) -> AsyncIterator[SpoolRoom | None]:
    """Yield where this service's spools are, ours as long as we and the workers live."""
    if not config.spool.enabled:
        yield None
        return
    room = SpoolRoom(config.data_dir, name, config.spool)
    try:
        await room.lock()
        yield room
    finally:
        room.unlock()


@contextlib.asynccontextmanager
async def redis_for(config: Config) -> AsyncIterator[str]:
    """Yield the URL to publish to; without one in the config, that of our own server."""
    if config.redis.url is not None:
        yield config.redis.url
        return
    server = EmbeddedServer(config.data_dir)
    await server.start()
    keeper = asyncio.create_task(_keep_server(server))
    try:
        yield server.url
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        await server.stop(_SERVER_STOP_S)


async def _keep_server(server: EmbeddedServer) -> None:
    """Start the embedded server again whenever it dies; the workers wait for it."""
    backoff = Backoff(base_s=0.2, cap_s=10.0, healthy_after_s=30.0)
    while True:
        started = time.monotonic()
        status = await server.wait()
        delay_s = backoff.next_delay_s(connected_for_s=time.monotonic() - started)
        _log.error(
            "embedded server: died, restarting",
            died_of=describe_exit(status),
            retry_in_s=round(delay_s, 3),
        )
        await asyncio.sleep(delay_s)
        while True:
            try:
                await server.start()
                break
            except EmbeddedServerError as exc:
                delay_s = backoff.next_delay_s()
                _log.error(
                    "embedded server: not started, trying again",
                    error=str(exc),
                    retry_in_s=round(delay_s, 3),
                )
                await asyncio.sleep(delay_s)

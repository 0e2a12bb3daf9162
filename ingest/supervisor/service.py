"""The whole service: embedded server if there is no other, supervisor, signals."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable

import structlog

from ingest.config.schema import Config
from ingest.cores import available_cores
from ingest.embedded import EmbeddedServer
from ingest.errors import EmbeddedServerError
from ingest.feed.status import WorkerStatus
from ingest.plan import LogFormat, make_plan
from ingest.supervisor.supervisor import Supervisor
from wscore import Backoff

_log = structlog.get_logger(__name__)

_SERVER_STOP_S = 5.0


async def run_service(
    config: Config,
    log_format: LogFormat,
    *,
    on_status: Callable[[WorkerStatus], None] | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    Raises:
        EmbeddedServerError: there is no `redis.url`, and our own server does not start.
    """
    supervisor = Supervisor(on_status=on_status)
    # Before anything is started: a signal that comes early is not lost.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, supervisor, number)
    async with redis_for(config) as redis_url:
        plan = make_plan(
            config, cores=available_cores(), redis_url=redis_url, log_format=log_format
        )
        for note in plan.notes:
            _log.warning(f"plan: {note}")
        _log.info("service: started", workers=len(plan.workers))
        status = await supervisor.run(plan)
        _log.info("service: stopped", status=status)
        return status


def _on_signal(supervisor: Supervisor, number: signal.Signals) -> None:
    _log.info("service: signal received", signal=number.name)
    supervisor.stop()


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
        _log.error("embedded server: died, restarting", status=status, retry_in_s=round(delay_s, 3))
        await asyncio.sleep(delay_s)
        try:
            await server.start()
        except EmbeddedServerError as exc:
            _log.error("embedded server: not started", error=str(exc))

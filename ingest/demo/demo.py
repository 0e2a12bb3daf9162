"""The demo from start to summary: venue, Redis, service and reader, put together."""

import asyncio
import contextlib
import shutil
import signal
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from ingest import codecs
from ingest.config import Config, parse_config
from ingest.cores import available_cores
from ingest.demo.reader import StreamReader
from ingest.demo.table import LiveTable, Summary, percentiles
from ingest.demo.venue import DemoVenue, demo_venue
from ingest.feed.status import FeedStatus
from ingest.model import Stream
from ingest.plan import LogFormat, Plan, make_plan
from ingest.supervisor.service import redis_for
from ingest.supervisor.supervisor import Supervisor

_DATA_DIR = Path("data/demo")
_CONFIG = Path(__file__).with_name("demo.yaml")
_REFRESH_S = 0.25
_OVERHEAD_S = 2.0  # of the demo's time: for what was sent to come through
_START_S = 20.0  # for the workers to start and subscribe, at most
_QUIET_TERMINAL_S = 5.0  # how often a progress line is written where there is no terminal
_CHROME_LINES = 6  # of the terminal's height that are not streams


async def run_demo(
    *, seconds: float | None, speed: str | None, log_format: LogFormat, console: Console
) -> Summary:
    """Run for *seconds*, or until the recording or the user's patience (Ctrl-C) ends.

    Without a *speed*, the whole recording is shown in *seconds*; without either, as
    it was recorded.

    Raises:
        IngestError: a part did not start.
    """
    _clear(_DATA_DIR)
    async with demo_venue(*_pace(seconds, speed)) as venue:
        config = _config(venue)
        async with redis_for(config) as url:
            plan = make_plan(config, cores=available_cores(), redis_url=url, log_format=log_format)
            reader = StreamReader(url, _keys(config, plan))
            try:
                return await _watch(venue, plan, reader, seconds, console)
            finally:
                await reader.close()


async def _watch(
    venue: DemoVenue,
    plan: Plan,
    reader: StreamReader,
    seconds: float | None,
    console: Console,
) -> Summary:
    supervisor = Supervisor(plan)
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if enough.is_set():
            supervisor.stop()  # the second one forces
        enough.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    started = time.monotonic()
    service = asyncio.create_task(supervisor.run())
    following = asyncio.create_task(reader.follow())
    showing = asyncio.create_task(_show(reader, console))
    ending = asyncio.create_task(_end(venue, supervisor, plan, enough, seconds))
    await asyncio.wait([service, ending], return_when=asyncio.FIRST_COMPLETED)
    supervisor.stop()
    status = await service
    for task in (ending, following, showing):
        task.cancel()
    await asyncio.wait([ending, following, showing])
    elapsed_s = time.monotonic() - started
    await reader.rest(deadline_s=30)
    report = await venue.report()
    topics = [topic for topics in report.topics.values() for topic in topics.values()]
    return Summary(
        seconds=elapsed_s,
        speed="max" if venue.speed is None else f"{venue.speed:.3g}",
        sent=report.deliveries,
        unsent=sum(topic.remaining + topic.missed for topic in topics if topic.sent),
        received=sum(feed.counters.data for feed in _feeds(supervisor)),
        published=sum(worker.sink.acked_entries for worker in supervisor.statuses.values()),
        read=reader.entries,
        streams=sum(count.entries > 0 for count in reader.streams.values()),
        worker_restarts=supervisor.restarts,
        status=status,
        data_dir=str(_DATA_DIR),
        latency=percentiles(reader.latencies_s),
    )


async def _end(
    venue: DemoVenue,
    supervisor: Supervisor,
    plan: Plan,
    enough: asyncio.Event,
    seconds: float | None,
) -> None:
    """Return when the demo should end: *seconds* after data flows, however long the start took."""
    feeds = sum(len(worker.connections) for worker in plan.workers)
    deadline = None if seconds is None else time.monotonic() + seconds + _START_S
    started = False
    while not enough.is_set():
        live = sum(feed.state == "live" for feed in _feeds(supervisor)) == feeds
        if deadline is None and live and (await venue.report()).finished:
            return
        if seconds is not None and live and not started:
            started, deadline = True, time.monotonic() + seconds
        left_s = _REFRESH_S if deadline is None else min(_REFRESH_S, deadline - time.monotonic())
        if left_s <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await enough.wait()


def _feeds(supervisor: Supervisor) -> list[FeedStatus]:
    return [feed for worker in supervisor.statuses.values() for feed in worker.feeds]


async def _show(reader: StreamReader, console: Console) -> None:
    """A live table on a terminal; elsewhere a line now and then."""
    table = LiveTable(reader, rows=max(5, console.height - _CHROME_LINES))
    if not console.is_terminal:
        while True:
            await asyncio.sleep(_QUIET_TERMINAL_S)
            console.print(table.totals(), highlight=False)
    with Live(table.render(), console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(_REFRESH_S)
            live.update(table.render(), refresh=True)


def _pace(seconds: float | None, speed: str | None) -> list[str]:
    if speed is not None:
        return ["--speed", speed]
    if seconds is None:
        return ["--speed", "1"]
    return ["--within", str(max(seconds * 0.5, seconds - _OVERHEAD_S))]


def _config(venue: DemoVenue) -> Config:
    environment = {
        "DEMO_DATA_DIR": str(_DATA_DIR),
        "DEMO_BINANCE_URL": venue.urls["binance"],
        "DEMO_OKX_URL": venue.urls["okx"],
    }
    return parse_config(_CONFIG.read_text(), _CONFIG.name, environment)


def _keys(config: Config, plan: Plan) -> list[str]:
    """Every stream that the plan can write."""
    keys = []
    encoder = codecs.encoder(config.redis.encoding)
    for worker in plan.workers:
        for connection in worker.connections:
            pairs = [(topic.channel, topic.instrument) for topic in connection.topics]
            for channel, instrument in [*pairs, ("feed", connection.name)]:
                stream = Stream(connection.venue, channel, instrument)
                keys.append(codecs.stream_key(encoder, config.redis.key, stream))
    return keys


def _clear(data_dir: Path) -> None:
    """Start from nothing: the last demo's streams would be counted as this one's."""
    shutil.rmtree(data_dir, ignore_errors=True)

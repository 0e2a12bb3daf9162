"""`ingest check CONFIG`: is this config sound, and what would run."""

import asyncio
import time
from collections.abc import Sequence

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest import codecs, logging, venues
from ingest.cli.console import stdout
from ingest.cli.instruments import describe_age
from ingest.cli.options import config_argument
from ingest.config import Config, RedisConfig, Selector, embedded_socket, load, socket_url
from ingest.config.selectors import describe_selector
from ingest.cores import available_cores
from ingest.errors import IngestError
from ingest.instruments import InstrumentSource
from ingest.instruments.cache import ListingCache
from ingest.instruments.source import get_all
from ingest.limits import Broker, begin_with, local_gate
from ingest.plan import ConnectionPlan, Plan, Selected, make_plan
from ingest.redact import redact_text
from ingest.supervisor.listings import resolve, selecting_feeds
from ingest.venues.base import Instrument
from wscore import AsyncSession


@click.command()
@config_argument
def check(config_path: str) -> None:
    """Check CONFIG and show the plan: connections, topics, workers.

    Nothing is connected to, but where instruments are selected by rule the venue is
    asked for its list; if it does not answer, the check says so and goes on. All
    mistakes are reported at once, on stderr, with exit status 2.
    """
    config = load(config_path)
    logging.configure("console", "error")
    redis_url = config.redis.url or socket_url(embedded_socket(config.data_dir))
    selected, said = asyncio.run(_select(config)) if selecting_feeds(config) else ({}, [])
    plan = make_plan(config, cores=available_cores(), redis_url=redis_url, selected=selected)
    stdout().print(render(config_path, config, plan, said))


async def _select(config: Config) -> tuple[Selected, list[str]]:
    """Ask the venues; return what each feed selects, and what there is to say about it."""
    feeds = selecting_feeds(config)
    cache = ListingCache(config.data_dir, read_only=True)
    broker = Broker()
    begin_with(broker, config.data_dir)
    async with AsyncSession(max_clients=len(feeds)) as session:
        source = InstrumentSource(
            config, session, local_gate(broker), cache=cache, retry_after_s=()
        )
        found, errors = await get_all(source, {feed.venue for feed in feeds})
    selected: dict[str, list[Instrument]] = {}
    said: list[str] = []
    for feed in feeds:
        selected[feed.name] = []
        if feed.venue in errors:
            said.append(f"{feed.name} is not resolved, and not in this plan: {errors[feed.venue]}")
            continue
        answer = found[feed.venue]
        try:
            selected[feed.name] = resolve(feed, answer.listing)
        except IngestError as exc:
            said.append(f"{feed.name} cannot run: {exc}")
            continue
        if answer.not_fetched is not None:
            age = describe_age(answer.listing.age_s(time.time_ns()))
            said.append(
                f"{feed.name} is resolved by a list that was kept {age} ago: {answer.not_fetched}"
            )
        assert isinstance(feed.instruments, Selector)
        said.append(
            f"{feed.name} selects {len(selected[feed.name])} of {len(answer.listing)} instruments "
            f"by {describe_selector(feed.instruments)}"
        )
    return selected, said


def render(
    config_path: str, config: Config, plan: Plan, said: Sequence[str] = ()
) -> RenderableType:
    """Return what `check` prints of a sound config; *said*: of its selectors."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("CONNECTION", overflow="fold")
    table.add_column("WORKER", justify="right")
    table.add_column("TOPICS", justify="right")
    table.add_column("WHAT", overflow="fold")
    for worker in plan.workers:
        for connection in worker.connections:
            table.add_row(
                Text(connection.name),
                str(worker.worker),
                str(len(connection.topics)),
                Text(_what(connection)),
            )
    return Group(
        Text(f"{config_path}: no mistakes", style="green"),
        "",
        table,
        "",
        *(Text(line) for line in _summary(config, plan)),
        *(Text(f"select     {line}") for line in said),
    )


def _what(connection: ConnectionPlan) -> str:
    channels = dict.fromkeys(topic.channel for topic in connection.topics)
    instruments = list(dict.fromkeys(topic.instrument for topic in connection.topics))
    shown = ", ".join(instruments[:3])
    if len(instruments) > 3:
        shown = f"{instruments[0]} … {instruments[-1]} ({len(instruments)})"
    lines = [redact_text(connection.url), ", ".join(channels), shown]
    if (every_s := connection.book_snapshot_every_s) is not None:
        lines.append(f"a snapshot of each book every {every_s:g} s")
    if len(connection.legs) > 1:
        lines.append(f"{len(connection.legs)} connections, each with all of it")
    if connection.max_age_s != venues.get(connection.venue).limits.max_age_s:
        lines.append(f"replaced by a new one within {connection.max_age_s:g} s")
    for leg in dict.fromkeys(connection.legs):
        if leg.source_address:
            lines.append(f"from {leg.source_address}")
        if leg.proxy:
            lines.append(f"through {redact_text(leg.proxy)}")
    if not (connection.verify or connection.ca_file):
        lines.append("the venue's certificate is NOT verified")
    return "\n".join(lines)


def _summary(config: Config, plan: Plan) -> list[str]:
    planned = [connection for worker in plan.workers for connection in worker.connections]
    connections = len(planned)
    legs = sum(len(connection.legs) for connection in planned)
    streams = sum(worker.topics for worker in plan.workers)
    redis = config.redis
    where = redact_text(redis.url) if redis.url else f"embedded server, data in {config.data_dir}"
    return [
        f"workers    {len(plan.workers)}, with {_topics_each(plan)}",
        f"streams    {streams:,} of market data, {connections:,} of connection events",
        *([f"redundant  {legs:,} connections to venues in all"] if legs > connections else ()),
        f"redis      {where}",
        f"keys       {redis.key}{_beside(redis)}",
        f"entries    {_kept(redis)}, encoded as {redis.encoding}",
        *(f"note       {note}" for note in plan.notes),
    ]


def _kept(redis: RedisConfig) -> str:
    text = f"about {redis.maxlen:,} kept in each stream"
    if redis.max_age_s is not None:
        text += f", none much older than {redis.max_age_s:,g} s"
    if redis.wait is not None:
        text += f", each in {redis.wait.replicas} replica{'s'[: redis.wait.replicas - 1]}"
    return text


def _beside(redis: RedisConfig) -> str:
    encoder, own = codecs.encoder(redis.encoding), codecs.get("fields").keys.default
    if encoder.complete:
        return ""
    return f"; {own} for what the encoding cannot say"


def _topics_each(plan: Plan) -> str:
    loads = [worker.topics for worker in plan.workers]
    low, high = min(loads), max(loads)
    unit = "topic" if high == 1 else "topics"
    return f"{high:,} {unit} each" if low == high else f"{low:,} to {high:,} {unit} each"

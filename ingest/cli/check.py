"""`ingest check CONFIG`: is this config sound, and what would run."""

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest import codecs
from ingest.cli.console import stdout
from ingest.cli.options import config_argument
from ingest.config import Config, RedisConfig, embedded_socket, load, socket_url
from ingest.cores import available_cores
from ingest.plan import ConnectionPlan, Plan, make_plan
from ingest.redact import redact_text


@click.command()
@config_argument
def check(config_path: str) -> None:
    """Check CONFIG and show the plan: connections, topics, workers.

    Nothing is connected to. All mistakes are reported at once, on stderr, with
    exit status 2.
    """
    config = load(config_path)
    redis_url = config.redis.url or socket_url(embedded_socket(config.data_dir))
    plan = make_plan(config, cores=available_cores(), redis_url=redis_url)
    stdout().print(render(config_path, config, plan))


def render(config_path: str, config: Config, plan: Plan) -> RenderableType:
    """Return what `check` prints of a sound config."""
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
    )


def _what(connection: ConnectionPlan) -> str:
    channels = dict.fromkeys(topic.channel for topic in connection.topics)
    instruments = list(dict.fromkeys(topic.instrument for topic in connection.topics))
    shown = ", ".join(instruments[:3])
    if len(instruments) > 3:
        shown = f"{instruments[0]} … {instruments[-1]} ({len(instruments)})"
    lines = [redact_text(connection.url), ", ".join(channels), shown]
    if connection.proxy:
        lines.append(f"through {redact_text(connection.proxy)}")
    if not connection.verify:
        lines.append("the venue's certificate is NOT verified")
    return "\n".join(lines)


def _summary(config: Config, plan: Plan) -> list[str]:
    connections = sum(len(worker.connections) for worker in plan.workers)
    streams = sum(worker.topics for worker in plan.workers)
    redis = config.redis
    where = redact_text(redis.url) if redis.url else f"embedded server, data in {config.data_dir}"
    return [
        f"workers    {len(plan.workers)}, with {_topics_each(plan)}",
        f"streams    {streams:,} of market data, {connections:,} of connection events",
        f"redis      {where}",
        f"keys       {redis.key}{_beside(redis)}",
        f"entries    about {redis.maxlen:,} kept in each stream, encoded as {redis.encoding}",
        *(f"note       {note}" for note in plan.notes),
    ]


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

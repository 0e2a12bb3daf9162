"""`ingest record CONFIG --out DIR`: what the venues send, in files."""

from pathlib import Path

import click
import msgspec
import uvloop

from ingest import logging
from ingest.cli.options import Duration, Size, config_argument, log_format_option
from ingest.config import load
from ingest.plan import LogFormat
from ingest.record.service import run_record


@click.command()
@config_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Files go to DIR/<venue>/; made if it is not there.",
)
@click.option(
    "--for", "seconds", type=Duration(), metavar="60s", help="How long; else until Ctrl-C."
)
@click.option(
    "--rotate",
    type=Size(),
    metavar="SIZE",
    default="256MiB",
    show_default=True,
    help="Begin a connection's next file at this size.",
)
@click.option("--limit", type=Size(), metavar="SIZE", help="Stop when all files have this size.")
@log_format_option
def record(
    config_path: str,
    out: Path,
    seconds: float | None,
    rotate: int,
    limit: int | None,
    log_format: LogFormat,
) -> None:
    """Write what the venues of CONFIG send to files that "ingest replay" serves.

    Connects and subscribes exactly as "ingest run" would, and needs no Redis. Ends
    with SIGTERM, Ctrl-C, --for or --limit, and prints one line of JSON: what came,
    and what of it the venue's adapter could not read. A second signal ends at once.

    Exit status: 0 after a graceful stop, 1 for a fatal error, 2 for a bad config.
    """
    settings = load(config_path)
    logging.configure(log_format, settings.log.level)
    recorded = uvloop.run(
        run_record(settings, out, for_s=seconds, rotate_bytes=rotate, limit_bytes=limit)
    )
    click.echo(msgspec.json.encode(recorded).decode())

"""`ingest demo`: see it work, without internet, config or Redis."""

import asyncio
import sys

import click

from ingest import logging
from ingest.cli.console import stdout
from ingest.cli.options import Duration, SpeedText, log_format_option
from ingest.plan import LogFormat


@click.command()
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    metavar="30s",
    help="How long; else until the recording ends.",
)
@click.option(
    "--speed",
    type=SpeedText(),
    metavar="1|N|max",
    help="1: as recorded. Without it: all of the recording within --for.",
)
@log_format_option
def demo(seconds: float | None, speed: str | None, log_format: LogFormat) -> None:
    """Run the service on recorded exchange messages, with a live table of what flows.

    Needs no internet, no config and no Redis. Ends by itself, after --for, or with
    Ctrl-C, and prints what went in, what came out, and how fast. Exit status 1 if
    anything is missing.
    """
    from ingest.demo.demo import run_demo
    from ingest.demo.table import summary_text

    # The table is what there is to see; the log speaks up when something is wrong.
    logging.configure(log_format, "warning")
    console = stdout()
    summary = asyncio.run(
        run_demo(seconds=seconds, speed=speed, log_format=log_format, console=console)
    )
    click.echo(summary_text(summary))
    sys.exit(0 if summary.complete else 1)

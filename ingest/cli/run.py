"""`ingest run`: the service in the foreground."""

import asyncio
import os
import sys

import click

from ingest import health, logging
from ingest.cli.options import config_argument, log_format_option
from ingest.config import load
from ingest.plan import LogFormat
from ingest.supervisor.service import run_service


@click.command()
@config_argument
@log_format_option
def run(config_path: str, log_format: LogFormat) -> None:
    """Run the service until SIGTERM or Ctrl-C; a second signal forces.

    Exit status: 0 after a graceful stop, 1 for a fatal error, 2 for a bad config.
    """
    settings = load(config_path)
    logging.configure(log_format, settings.log.level)
    on_status = health.from_environment(os.environ)
    sys.exit(asyncio.run(run_service(settings, log_format, on_status=on_status)))

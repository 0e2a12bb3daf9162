"""`ingest run`: the service in the foreground."""

import asyncio
import os
import re
import sys
from pathlib import Path

import click

from ingest import health, logging
from ingest.cli.options import config_argument, log_format_option
from ingest.config import load
from ingest.plan import LogFormat
from ingest.supervisor.service import run_service


def service_name(config_path: str) -> str:
    """Return what a service is called that runs this config: the file's name, safe for a path."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(config_path).stem)[:64] or "default"


@click.command()
@config_argument
@log_format_option
def run(config_path: str, log_format: LogFormat) -> None:
    """Run the service until SIGTERM or Ctrl-C; a second signal forces.

    SIGHUP has it read CONFIG again, as "ingest reload" does.

    Exit status: 0 after a graceful stop, 1 for a fatal error, 2 for a bad config.
    """
    settings = load(config_path)
    logging.configure(log_format, settings.log.level)
    on_status = health.from_environment(os.environ)
    sys.exit(
        asyncio.run(
            run_service(
                settings,
                log_format,
                name=service_name(config_path),
                on_status=on_status,
                load=lambda: load(config_path),
            )
        )
    )

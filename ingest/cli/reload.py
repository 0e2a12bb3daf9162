"""`ingest reload CONFIG`: have the running service go on as its config says now."""

import sys

import click

from ingest.cli.options import config_argument
from ingest.cli.run import service_name
from ingest.config import load
from ingest.supervisor.control import Reload, ask, socket_path

_PATIENCE_S = 120.0  # venues may be asked for their lists, more than once


@click.command()
@config_argument
def reload(config_path: str) -> None:
    """Have the service that runs CONFIG go on as the file says now.

    What is the same goes on untouched, on its connection. Prints what is added,
    changed and removed. A config with mistakes is refused, and so is one with changes
    that need a restart; then the service goes on as before. Run this where the service
    was started if its data_dir is relative. SIGHUP to the service does the same.

    Exit status: 0 done, 2 refused, 1 for an error, such as no service.
    """
    settings = load(config_path)
    path = socket_path(settings.data_dir, service_name(config_path))
    answer = ask(path, Reload(), _PATIENCE_S)
    if answer.status:
        click.echo("ingest: nothing is changed:", err=True)
    for line in answer.lines:
        click.echo(f"  {line}" if answer.status else line, err=bool(answer.status))
    sys.exit(answer.status)

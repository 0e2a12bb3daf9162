"""A group of commands that are imported on use, and the exit status of their errors.

Status 2: bad usage or a bad config. Status 1: any other error. Mistakes of a
user never show a traceback; mistakes of ours do.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from ingest.errors import ConfigError, IngestError
from ingest.redact import hide_environment, redact_text


class Command(NamedTuple):
    """Where a command is, `module:attribute`, and its line in the list of commands."""

    target: str
    help: str


class LazyGroup(click.Group):
    """Lists its commands from a table and imports the one that is called."""

    def __init__(self, *args: Any, lazy_commands: Mapping[str, Command], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(self._lazy)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        found = self._lazy.get(cmd_name)
        if found is None:
            return None
        module, _, attribute = found.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), found.target
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in self._lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        hide_environment(os.environ)
        try:
            return super().invoke(ctx)
        except ConfigError as exc:
            _report(exc.problems)
            sys.exit(2)
        except IngestError as exc:
            click.echo(f"ingest: {redact_text(str(exc))}", err=True)
            sys.exit(1)


def _report(problems: list[str]) -> None:
    count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    click.echo(f"ingest: the config cannot be used: {count}", err=True)
    for problem in problems:
        click.echo(_fit(f"  {redact_text(problem)}"), err=True)


def _fit(line: str) -> str:
    """Break a line at words for a terminal; leave it whole for `grep` and editors."""
    if not sys.stderr.isatty():
        return line
    return textwrap.fill(
        line,
        max(40, shutil.get_terminal_size().columns),
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )

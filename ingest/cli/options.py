"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def log_format_option(function: _F) -> _F:
    """Add `--log-format console|json`, passed on as `log_format`."""
    return click.option(
        "--log-format",
        type=click.Choice(["console", "json"]),
        default="console",
        show_default=True,
        help="How diagnostics are written to stderr.",
    )(function)


def config_argument(function: _F) -> _F:
    """Add the argument CONFIG, passed on as `config_path`.

    Whether the file is there is for `ingest.config.load` to say, with the rest.
    """
    return click.argument("config_path", metavar="CONFIG")(function)

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


class Speed(click.ParamType[float | None]):
    """A number above 0, or `max`, which is None."""

    name = "1|N|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        if value == "max":
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is not a speed; use `max`, or a number above 0", param, ctx)
        return speed


class SpeedText(Speed):
    """The same, checked but passed on as it was written."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        super().convert(value, param, ctx)
        return str(value)

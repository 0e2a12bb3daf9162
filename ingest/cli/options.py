"""Options that several commands share."""

import re
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


class Duration(click.ParamType[float]):
    """`500ms`, `30s`, `2m`, `1h` or a number of seconds; in seconds, above 0."""

    name = "30s"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", str(value).strip())
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is not a duration; use 500ms, 30s, 2m or 1h", param, ctx)
        return float(match[1]) * {"ms": 0.001, "m": 60.0, "h": 3600.0}.get(match[2] or "s", 1.0)


class Size(click.ParamType[int]):
    """`64KiB`, `16MB`, `2GiB` or a number of bytes."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        match = re.fullmatch(r"(\d+)(?:([KMGT])(i?)B)?", str(value).strip())
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is not a size; use 64KiB, 16MB or 2GiB", param, ctx)
        power = "KMGT".find(match[2]) + 1 if match[2] else 0
        size: int = int(match[1]) * (1024 if match[3] else 1000) ** power
        return size


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

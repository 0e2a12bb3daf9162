"""`ingest venues`: what is supported."""

import click
from rich.table import Table
from rich.text import Text

from ingest import venues as registry
from ingest.cli.console import stdout
from ingest.venues.base import BookRule, Venue


@click.command()
def venues() -> None:
    """List the supported venues: channels, limits, documentation."""
    table = Table(box=None, padding=(0, 2, 1, 0), header_style="bold")
    table.add_column("VENUE")
    table.add_column("", style="dim")
    table.add_column("", overflow="fold")
    for name in registry.names():
        about = _about(registry.get(name))
        table.add_row(Text(name), Text("\n".join(about)), Text("\n".join(about.values())))
    stdout().print(table)


def _checked(rule: BookRule) -> str:
    checked = [] if rule.continuity == "none" else ["numbers"]
    if rule.checksum is not None:
        checked.append("checksum")
    return f"{' and '.join(checked)} checked" if checked else "nothing to check"


def _about(venue: Venue) -> dict[str, str]:
    limits = venue.limits
    attempts, per_s = limits.connects
    about = {"channels": ", ".join(name for name in venue.channels if name != "candle")}
    if "candle" in venue.channels:
        about["candles"] = f"candle_… {' '.join(venue.intervals)}"
    about["topics"] = (
        f"{limits.topics_per_connection:,} a connection, {limits.topics_per_request:,} a request"
    )
    about["limits"] = (
        f"{limits.requests_per_s:g} requests a second, {attempts:,} connects in {per_s:g} s"
    )
    if limits.max_age_s is not None:
        about["limits"] += f", a connection lives {limits.max_age_s / 3600:,g} h"
    if venue.books:
        about["books"] = "; ".join(
            f"{channel}: {_checked(rule)}, snapshot {'over REST' if rule.rest else 'in the stream'}"
            for channel, rule in venue.books.items()
        )
    if venue.rest_limits is not None:
        weight, window_s = venue.rest_limits.weight
        about["rest"] = f"weight {weight:,} in {window_s:g} s"
    about["docs"] = venue.docs_url
    return about

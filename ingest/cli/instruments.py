"""`ingest instruments VENUE`: what a venue lists."""

import asyncio
import sys
import time

import click
import msgspec
from rich.table import Table
from rich.text import Text

from ingest import logging, venues
from ingest.cli.console import stdout
from ingest.config import Config, load
from ingest.config.problems import choose
from ingest.errors import IngestError
from ingest.instruments import InstrumentSource
from ingest.instruments.cache import ListingCache
from ingest.instruments.source import Found
from ingest.limits import Broker, local_gate
from ingest.venues.base import Instrument
from wscore import AsyncSession

_COLUMNS = ("name", "symbol", "kind", "tick_size", "lot_size", "contract_size", "volume", "trading")


@click.command()
@click.argument("venue")
@click.option("--config", "config_path", metavar="CONFIG", help="How the venue is reached.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def instruments(venue: str, config_path: str | None, as_json: bool) -> None:
    """List the instruments of VENUE: our name, its symbol, sizes, volume of 24 h.

    On a terminal a table; else a line for each, its values separated by tabs, with
    a line of column names before them. What a venue does not say is empty.

    With --config the proxy and the like are those of CONFIG, and if the venue does
    not answer, the list that the service kept under data_dir is shown.
    """
    if venue not in venues.names():
        raise click.BadParameter(
            f"{venue!r} is not a known venue; {choose(venue, venues.names())}", param_hint="VENUE"
        )
    config = load(config_path) if config_path is not None else None
    logging.configure("console", "error")  # what matters of it is said here
    found = asyncio.run(_get(venue, config))
    if found.not_fetched is not None:
        age_s = found.listing.age_s(time.time_ns())
        click.echo(
            f"ingest: {found.not_fetched}; this list was kept {describe_age(age_s)} ago", err=True
        )
    listed = [found.listing.by_name[name] for name in sorted(found.listing.by_name)]
    if as_json:
        for instrument in listed:
            sys.stdout.write(msgspec.json.encode(instrument).decode() + "\n")
    elif stdout().is_terminal:
        stdout().print(_table(listed))
    else:
        for values in (_COLUMNS, *map(_values, listed)):
            sys.stdout.write("\t".join(values) + "\n")


def describe_age(seconds: float) -> str:
    """Return a duration in words, in the largest unit that it has one of: "3 h"."""
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


async def _get(venue: str, config: Config | None) -> Found:
    if venues.get(venue).instruments is None:
        raise IngestError(f"{venue} has no list of instruments that ingest knows of")
    cache = ListingCache(config.data_dir) if config is not None else None
    async with AsyncSession() as session:
        gate = local_gate(Broker())
        source = InstrumentSource(config or Config(feeds=()), session, gate, cache=cache)
        return await source.get(venue)


def _table(listed: list[Instrument]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in _COLUMNS:
        numeric = column in ("tick_size", "lot_size", "contract_size", "volume")
        table.add_column(column.replace("_", " ").upper(), justify="right" if numeric else "left")
    for instrument in listed:
        table.add_row(*map(Text, _values(instrument)), style=None if instrument.trading else "dim")
    table.caption = f"{len(listed):,} instruments"
    return table


def _values(instrument: Instrument) -> tuple[str, ...]:
    values = (getattr(instrument, column) for column in _COLUMNS)
    words = {None: "", True: "yes", False: "no"}
    return tuple(words[v] if isinstance(v, bool | None) else str(v) for v in values)

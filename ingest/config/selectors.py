"""Instruments named by rule: `{quote: USDT, top: 200, by: volume}`, `{match: "*-USDT-PERP"}`."""

import re

from ingest.config.reader import Section
from ingest.config.schema import Selector
from ingest.venues.base import Venue

_ASSET = re.compile(r"[A-Z0-9]+")
_PATTERN = re.compile(r"[A-Z0-9*?-]+")


def resolve_selector(
    selector: Selector,  # noqa: ARG001  what resolving will take
    venue: Venue,  # noqa: ARG001
) -> tuple[str, ...]:
    """Return the names of the venue's instruments that *selector* means.

    It takes the venue's list of instruments, which no part of this version
    fetches yet. Until then, this is the one place that says so.

    Raises:
        ValueError: always; what to do instead.
    """
    raise ValueError(
        "selects by rule; selectors are not supported yet by this version; list the instruments"
    )


def check_selector(section: Section) -> None:
    """A selector says what to look for; `by` ranks what `top` counts."""
    if not section.given("quote") and not section.given("match"):
        section.problems.add(
            section.table.line,
            f'{section.path} selects by nothing; give quote (USDT) or match ("*-USDT-PERP")',
        )
    quote, match = section.get("quote"), section.get("match")
    if quote is not None and not _ASSET.fullmatch(quote):
        section.report(
            "quote", f"is {section.shown('quote')}; use an asset in capitals, such as USDT"
        )
    if match is not None and not _PATTERN.fullmatch(match):
        section.report(
            "match",
            f"is {section.shown('match')}; use a pattern over our names, such as *-USDT-PERP",
        )
    if section.get("by") is not None and not section.given("top"):
        section.report("by", "ranks nothing without top; add top: 200, or remove by")

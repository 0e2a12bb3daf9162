"""Instruments named by rule: `{quote: USDT, top: 200, by: volume}`, `{match: "*-USDT-PERP"}`."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase

from ingest.config.reader import Section
from ingest.config.schema import Selector
from ingest.venues.base import Instrument

_ASSET = re.compile(r"[A-Z0-9]+")
_PATTERN = re.compile(r"[A-Z0-9*?-]+")


def resolve_selector(selector: Selector, listed: Iterable[Instrument]) -> list[Instrument]:
    """Return the instruments of a venue's list that *selector* means, in order of name.

    Only what can be traded. With `top` those with the largest volume; of equals, and
    where a venue leaves the volume of single ones out, by name.

    Raises:
        ValueError: nothing is selected, or `top` has nothing to rank by.
    """
    found = [
        instrument
        for instrument in listed
        if instrument.trading
        and (selector.quote is None or instrument.quote == selector.quote)
        and (selector.match is None or fnmatchcase(instrument.name, selector.match))
    ]
    if not found:
        raise ValueError(f"{describe_selector(selector)} selects nothing that can be traded")
    if selector.top is not None and selector.top < len(found):
        if all(instrument.volume is None for instrument in found):
            raise ValueError(
                f"{describe_selector(selector)} selects {len(found)}, and the venue's list has no "
                f"volumes to find the top {selector.top} by; narrow it with match, without top"
            )
        found.sort(key=lambda instrument: (-_volume(instrument), instrument.name))
        del found[selector.top :]
    return sorted(found, key=lambda instrument: instrument.name)


def describe_selector(selector: Selector) -> str:
    """Return it as the config has it: `{quote: USDT, top: 200}`."""
    keys = ("quote", "match", "top", "by")
    given = [(key, getattr(selector, key)) for key in keys if getattr(selector, key) is not None]
    return "{" + ", ".join(f"{key}: {value}" for key, value in given) + "}"


def _volume(instrument: Instrument) -> Decimal:
    """For ranking only; what is no number ranks last."""
    try:
        volume = Decimal(instrument.volume or "-1")
    except InvalidOperation:
        return Decimal(-1)
    return volume if volume.is_finite() else Decimal(-1)


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

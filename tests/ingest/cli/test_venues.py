"""`ingest venues`: what is supported."""

import re
from pathlib import Path

from click.testing import CliRunner

from ingest import venues
from ingest.cli import main


def test_every_venue_is_listed_with_its_limits() -> None:
    """Names, channels, limits and where they come from."""
    result = CliRunner().invoke(main, ["venues"])

    assert result.exit_code == 0
    for name in venues.names():
        venue = venues.get(name)
        assert name in result.stdout
        assert venue.docs_url in result.stdout
        assert f"{venue.limits.topics_per_connection:,} a connection" in result.stdout


def test_the_streams_page_has_the_same() -> None:
    """Every name, and no other."""
    text = (Path(__file__).parents[3] / "docs" / "streams.md").read_text()
    [line] = re.findall(r"^- venue: (.*)$", text, re.MULTILINE)
    assert re.findall(r"`([a-z0-9-]+)`", line) == sorted(venues.names())

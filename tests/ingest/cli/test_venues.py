"""`ingest venues`: what is supported."""

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

"""What every venue's channels have in common with the configuration."""

import pytest

from ingest import venues
from ingest.config.schema import WhenSlowConfig


@pytest.mark.parametrize("venue", venues.names())
def test_every_channel_has_a_policy_for_a_slow_redis(venue: str) -> None:
    """Whatever a channel of a venue is called, it is of a kind that can be configured."""
    policies = WhenSlowConfig(trade="block", bbo="conflate", book="block")

    for name in venues.get(venue).channel_names():
        kind = next((kind for kind in ("trade", "bbo", "book") if kind in name), "")
        assert policies.of(name) == {"": "spool", "bbo": "conflate"}.get(kind, "block"), name

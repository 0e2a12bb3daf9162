"""Two of our names for one of the venue's symbols."""

import pytest

from ingest.config import parse_config
from ingest.errors import ConfigError


@pytest.mark.parametrize("split", [False, True])
def test_two_names_of_one_symbol(split: bool) -> None:
    """Both are BTCUSDT at the venue, so neither stream could be told from the other."""
    names = [["BTC-USDT"], ["BT-CUSDT"]] if split else [["BTC-USDT", "BT-CUSDT"]]
    feeds = "".join(
        f"  - {{venue: alpha, channels: [{channel}], instruments: [{', '.join(group)}]}}\n"
        for channel, group in zip(["trade", "bbo"], names, strict=False)
    )
    with pytest.raises(ConfigError) as caught:
        parse_config(f"feeds:\n{feeds}", "c.yaml", {})

    line, feed = (3, 1) if split else (2, 0)
    assert caught.value.problems == [
        f"c.yaml:{line}: feeds[{feed}].instruments: BT-CUSDT and BTC-USDT are both BTCUSDT at "
        "alpha; keep the one with the right base and quote"
    ]

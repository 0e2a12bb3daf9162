"""Configs that a running service is to go on with, or to refuse. Pure."""

import copy
from typing import Any

# "way": the same place by another way, which loses nothing. "hup": the same, asked for by
# SIGHUP. "place", "legs": connections are replaced, with a mark.
KINDS = ("instruments", "way", "hup", "place", "legs", "bad")
# Those that leave the connections as they are: the others begin some that go on beside the old.
LASTING = ("way", "hup", "bad")


def changed(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return *config* with one of these changes."""
    new = copy.deepcopy(config)
    feeds, venue = new["feeds"], new["venues"]["binance"]
    if kind == "instruments":
        feeds[-1]["instruments"].pop()
        if not feeds[-1]["instruments"]:
            feeds.pop()
    elif kind in ("way", "hup"):
        venue["max_age_s"] = 3600
    elif kind == "place":
        venue["ws_url"] = venue["ws_url"].replace("127.0.0.1", "localhost")
    elif kind == "legs":
        for feed in feeds:
            feed["redundancy"] = 3 - feed["redundancy"]
    elif kind == "bad":
        feeds[0]["channels"] = ["trades"]
        feeds.pop()
    return new

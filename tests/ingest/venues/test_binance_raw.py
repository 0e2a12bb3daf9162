"""Frames of `/ws`: the data alone, without the name of its stream."""

import json
from pathlib import Path

import msgspec
import pytest

from ingest import venues
from ingest.venues.base import Data

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize("name", ["binance", "binance-usdm", "binance-coinm"])
def test_raw_frames_are_of_the_same_topics(name: str) -> None:
    """Each sample without its envelope becomes the same events."""
    venue = venues.get(name)
    samples = json.loads((DATA / name / "samples.json").read_text())
    raws = msgspec.json.decode(
        (DATA / name / "samples.json").read_bytes(), type=list[dict[str, msgspec.Raw]]
    )
    for sample, raw in zip(samples, raws, strict=True):
        combined = venue.parser()(bytes(raw["frame"]))
        assert isinstance(combined, Data)
        alone = venue.parser()(bytes(combined.payload))
        assert isinstance(alone, Data)

        assert alone.topic == combined.topic
        decode = venue.decoder(sample["channel"])
        assert decode(alone, 1) == decode(combined, 1)

"""What other systems wrote, and the events of ours that say the same: tests/data/encodings."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest import model
from ingest.model import AnyEvent, Stream

_DATA = Path(__file__).parents[2] / "data/encodings"


def references(system: str) -> list[Any]:
    """One parameter set for each entry: our stream, our event, what they wrote of it."""
    found = []
    for entry in json.loads((_DATA / f"{system}.json").read_text())["entries"]:
        stream = Stream(*entry["stream"])
        event: AnyEvent = msgspec.convert(entry["event"], getattr(model, entry["type"]))
        kind = entry["event"].get("type", "")
        found.append(pytest.param(stream, event, entry, id=f"{'-'.join(entry['stream'])}{kind}"))
    return found

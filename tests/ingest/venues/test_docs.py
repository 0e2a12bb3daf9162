"""docs/adding-a-venue.md: its venue works, and its sample is one."""

import re
import types
from pathlib import Path

import msgspec
import pytest

from ingest import venues
from ingest.config import parse_config
from ingest.errors import DecodeError
from ingest.venues.base import Ack, Data, Ignored, Pong, Reject, Venue

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "adding-a-venue.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def venue() -> Venue:
    module = types.ModuleType("example")
    exec(compile(block("python"), "adding-a-venue.md", "exec"), module.__dict__)
    found: Venue = module.__dict__["VENUE"]
    return found


def test_the_sample_becomes_its_events(venue: Venue) -> None:
    """As the acceptance test does it."""
    samples = msgspec.json.decode(block("json"), type=list[dict[str, msgspec.Raw]])
    assert len(samples) == 1
    data = venue.parser()(bytes(samples[0]["frame"]))
    assert isinstance(data, Data)
    assert data.topic == venue.topic("trade", "BTC-USDT").name
    [event] = venue.decoder("trade")(data, 1)

    [expected] = msgspec.json.decode(samples[0]["events"])
    assert msgspec.json.decode(msgspec.json.encode(event)) == {"rx": 1, **expected}


def test_every_other_frame(venue: Venue) -> None:
    """Answers, events, and what is none of them."""
    parse = venue.parser()

    assert parse(b'{"ack":1}') == Ack(1)
    assert parse(b'{"ack":1,"error":"no"}') == Reject("no", request_id=1)
    assert parse(b'{"event":"pong"}') == Pong()
    assert parse(b'{"event":"hello"}') == Ignored("hello")
    with pytest.raises(DecodeError):
        parse(b"{}")


def test_a_config_may_name_it(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is registered."""
    monkeypatch.setitem(venues._VENUES, venue.name, venue)
    feed = "{venue: example, channels: [trade], instruments: [BTC-USDT]}"
    [found] = parse_config(f"feeds: [{feed}]", "example.yaml", {}).feeds

    assert found.venue == "example"
    topics = [venue.topic("trade", name) for name in found.instruments]  # type: ignore[union-attr]
    assert venue.subscribe(topics, 1) == (b'{"op":"subscribe","id":1,"topics":["trades:BTC/USDT"]}')


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", TEXT))
def test_links(link: str) -> None:
    """They lead somewhere."""
    assert (ROOT / "docs" / link).exists()


def test_named_files_are_there() -> None:
    """Every path of the repository that is named; those of the example are yours to write."""
    named = set(re.findall(r"`((?:ingest|tests|docs|scripts)/[\w/.-]+)`", TEXT))

    assert len(named) > 8
    assert [path for path in named if "example" not in path and not (ROOT / path).exists()] == []

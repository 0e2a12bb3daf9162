"""Two small venues in place of the real ones, so that reports can be compared to the letter."""

from collections.abc import Callable

import pytest

from ingest import venues
from ingest.config import Config, parse_config
from ingest.errors import ConfigError
from ingest.venues.base import ChannelSpec, Ignored, Limits, Venue


def _to_symbol(instrument: str) -> str:
    base, dash, quote = instrument.partition("-")
    if not (dash and base.isalnum() and quote.isalnum()):
        raise ValueError("instruments are BASE-QUOTE")
    return base + quote


def make_venue(name: str, channels: list[str], intervals: list[str]) -> Venue:
    return Venue(
        name=name,
        ws_url=f"wss://{name}.example/own",
        rest_url=f"https://{name}.example",
        docs_url=f"https://{name}.example/docs",
        limits=Limits(
            topics_per_connection=10,
            topics_per_request=5,
            request_bytes=4096,
            requests_per_s=5.0,
            connects=(10, 1.0),
            max_age_s=3600.0,
        ),
        channels={
            channel: ChannelSpec(topic=f"{{symbol}}@{channel}", decode=lambda data, rx: [])
            for channel in channels
        },
        intervals={interval: interval for interval in intervals},
        to_symbol=_to_symbol,
        parse=lambda frame: Ignored("test"),
        subscribe=lambda topics, request_id: b"",
    )


@pytest.fixture(autouse=True)
def two_venues(monkeypatch: pytest.MonkeyPatch) -> None:
    """`alpha` has trade, bbo and candles; `beta` has trade only; 10 topics a connection."""
    registry = {
        "alpha": make_venue("alpha", ["trade", "bbo", "candle"], ["1m"]),
        "beta": make_venue("beta", ["trade"], []),
    }
    monkeypatch.setattr(venues, "names", lambda: list(registry))
    monkeypatch.setattr(venues, "get", lambda name: registry[name])


FEEDS = "feeds: [{venue: alpha, channels: [trade], instruments: [BTC-USDT]}]\n"


@pytest.fixture
def good() -> Callable[..., Config]:
    """Read a text that must be sound; a sound list of feeds is added if it has none."""

    def read(text: str, **environ: str) -> Config:
        return parse_config(text if "feeds:" in text else text + "\n" + FEEDS, "f.yaml", environ)

    return read


@pytest.fixture
def bad() -> Callable[..., list[str]]:
    """Read a text that must not be sound, completed as `good` does; return its mistakes."""

    def read(text: str, **environ: str) -> list[str]:
        whole = text if "feeds:" in text else text + "\n" + FEEDS
        with pytest.raises(ConfigError) as caught:
            parse_config(whole, "f.yaml", environ)
        return caught.value.problems

    return read

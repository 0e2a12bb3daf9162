"""TEMPORARY stand-in for the venue registry, dropped when the real one is merged."""

# ruff: noqa: ARG001
from collections.abc import Sequence

from ingest.venues.base import ChannelSpec, Data, Heartbeat, Ignored, Inbound, Limits, Topic, Venue


def _no_events(data: Data, rx: int) -> list[object]:
    return []


def _parse(frame: bytes) -> Inbound:
    return Ignored("stand-in")


def _subscribe(topics: Sequence[Topic], request_id: int) -> bytes:
    return b""


def _binance_symbol(instrument: str) -> str:
    base, _, quote = instrument.partition("-")
    if not (base.isalnum() and quote.isalnum() and instrument == instrument.upper()):
        raise ValueError(
            f"binance instruments are BASE-QUOTE, such as BTC-USDT, not {instrument!r}"
        )
    return base + quote


def _okx_symbol(instrument: str) -> str:
    if not instrument.replace("-", "").isalnum() or instrument.count("-") < 1:
        raise ValueError(f"okx instruments are BASE-QUOTE, such as BTC-USDT, not {instrument!r}")
    return instrument


def _spec(topic: str) -> ChannelSpec:
    return ChannelSpec(topic=topic, decode=_no_events)  # type: ignore[arg-type]  # stand-in


_MINUTES = ("1m", "3m", "5m", "15m", "30m")

_VENUES = {
    "binance": Venue(
        name="binance",
        ws_url="wss://stream.binance.com:9443/stream",
        rest_url="https://api.binance.com",
        docs_url="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
        limits=Limits(
            topics_per_connection=1024,
            topics_per_request=200,
            request_bytes=8000,
            requests_per_s=5.0,
            connects=(300, 300.0),
        ),
        channels={
            "trade": _spec("{symbol_lower}@trade"),
            "bbo": _spec("{symbol_lower}@bookTicker"),
            "book": _spec("{symbol_lower}@depth@100ms"),
            "ticker": _spec("{symbol_lower}@ticker"),
            "candle": _spec("{symbol_lower}@kline_{interval}"),
        },
        intervals={i: i for i in ("1s", *_MINUTES, "1h", "4h", "1d")},
        to_symbol=_binance_symbol,
        parse=_parse,
        subscribe=_subscribe,
    ),
    "okx": Venue(
        name="okx",
        ws_url="wss://ws.okx.com:8443/ws/v5/public",
        rest_url="https://www.okx.com",
        docs_url="https://www.okx.com/docs-v5/en/",
        limits=Limits(
            topics_per_connection=480,
            topics_per_request=100,
            request_bytes=60_000,
            requests_per_s=3.0,
            connects=(3, 1.0),
        ),
        channels={
            "trade": _spec("trades:{symbol}"),
            "book": _spec("books:{symbol}"),
            "ticker": _spec("tickers:{symbol}"),
        },
        intervals={},
        to_symbol=_okx_symbol,
        parse=_parse,
        subscribe=_subscribe,
        heartbeat=Heartbeat(payload=b"ping", after_idle_s=20.0, timeout_s=10.0),
        acks_per_topic=True,
    ),
}


def get(name: str) -> Venue:
    """Return a venue; ValueError for a name that is not one."""
    if name not in _VENUES:
        raise ValueError(f"no venue {name!r}; there are {', '.join(_VENUES)}")
    return _VENUES[name]


def names() -> list[str]:
    """Return the names of all venues."""
    return list(_VENUES)

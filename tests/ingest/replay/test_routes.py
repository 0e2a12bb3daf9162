"""Which venue a path means."""

import pytest

from ingest.replay.dialects import DIALECTS
from ingest.replay.routes import rest_base, route, ws_path

BOTH = DIALECTS
ONE = {"binance": DIALECTS["binance"]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/stream", ("binance", "/stream")),
        ("/ws", ("binance", "/ws")),
        ("/ws/btcusdt@trade", ("binance", "/ws/btcusdt@trade")),
        ("/ws/v5/public", ("okx", "/ws/v5/public")),
        ("/ws/v5/business", ("okx", "/ws/v5/business")),
        ("/api/v3/depth", ("binance", "/api/v3/depth")),
        ("/api/v5/public/instruments", ("okx", "/api/v5/public/instruments")),
        ("/okx/ws/v5/public", ("okx", "/ws/v5/public")),
        ("/binance/anything", ("binance", "/anything")),
        ("/streams", None),
        ("/", None),
    ],
)
def test_two_venues(path: str, expected: tuple[str, str] | None) -> None:
    """The longest matching prefix decides, an explicit venue before all."""
    assert route(path, BOTH) == expected


def test_one_venue_gets_everything() -> None:
    """With one venue there is nothing to tell apart."""
    assert route("/", ONE) == ("binance", "/")
    assert route("/whatever", ONE) == ("binance", "/whatever")


def test_venues_with_the_same_paths_get_prefixes() -> None:
    """Where two venues share a path, the announced URLs still lead to the right one."""
    served = {"binance": DIALECTS["binance"], "other": DIALECTS["binance"]}

    assert ws_path("binance", served) == "/stream"
    assert ws_path("other", served) == "/other/stream"
    assert rest_base("other", served) == "/other"
    assert rest_base("okx", BOTH) == ""

"""Selectors in a running service: resolved, followed, and served by whoever is there."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.listing import listed

LISTING = str(Path(__file__).parents[1] / "servers/listing.py")
SELECTING = {"venue": "binance", "channels": ["trade"], "instruments": {"quote": "USDT"}}


class Rest:
    """A venue's REST interface; `body` is what it lists, a number is a status."""

    def __init__(self) -> None:
        rest = self
        self.body: bytes | int = listed("BTC-USDT", "ETH-BTC")
        self.requests: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                rest.requests.append(self.path)
                body = rest.body if isinstance(rest.body, bytes) else b"no"
                self.send_response(200 if isinstance(rest.body, bytes) else rest.body)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def rest() -> Iterator[Rest]:
    rest = Rest()
    yield rest
    rest.stop()


def service(kit: Any, streams: Any, venue: Any, rest_url: str, *feeds: Any, **more: Any) -> Any:
    return kit.service(
        streams.url,
        *feeds,
        venues={"binance": {"ws_url": venue.url, "rest_url": rest_url}},
        popen={"program": (LISTING,)},
        **more,
    )


def trades(streams: Any, instrument: str) -> None:
    """Wait until there are some."""
    streams.wait(f"md:binance:trade:{instrument}", lambda entry: entry.get("id") == "3")


def test_followed_without_a_restart(kit: Any, own_streams: Any, rest: Rest) -> None:
    """A listing gets its stream; the worker that has it is killed, and its successor has it too."""
    venue = kit.venue([["serve"]])
    running = service(kit, own_streams, venue, rest.url, SELECTING, instruments={"refresh_s": 0.2})
    trades(own_streams, "BTC-USDT")
    rest.body = listed("BTC-USDT", "SOL-USDT", "ETH-BTC")
    trades(own_streams, "SOL-USDT")
    said = running.wait("instruments: selected anew")
    assert (said["connection"], said["names"], said["worker"]) == ("binance-1.2", "SOL-USDT", 0)
    assert running.all("feed: disconnected") == []
    assert own_streams.data("md:binance:feed:binance-1.2")[0]["type"] == "connected"

    os.kill(running.workers()[0], signal.SIGKILL)
    newest = own_streams.newest("md:binance:trade:SOL-USDT")
    running.wait("feed: subscribed", times=4)
    own_streams.wait("md:binance:trade:SOL-USDT", lambda entry: "id" in entry, newest)

    rest.body = 500
    running.wait("instruments: not refreshed")
    running.stop()
    assert own_streams.keys() == {
        *(f"md:binance:trade:{name}" for name in ("BTC-USDT", "SOL-USDT")),
        *(f"md:binance:feed:{name}" for name in ("binance-1", "binance-1.2")),
    }


def test_what_is_gone_is_left(kit: Any, own_streams: Any, rest: Rest) -> None:
    """Its stream says why, its neighbour notices nothing; and a new worker does not have it."""
    venue = kit.strict("binance", rate=50)
    key = "md:binance:trade:{}-USDT"
    rest.body = listed("BTC-USDT", "ETH-USDT", "SOL-USDT")
    settings = {"ws_url": venue.url, "rest_url": rest.url}
    running = kit.service(
        own_streams.url,
        SELECTING,
        venues={"binance": settings},
        instruments={"refresh_s": 0.2},
        popen={"program": (LISTING,)},
    )
    for name in ("BTC", "ETH", "SOL"):
        own_streams.wait(key.format(name), lambda entry: "id" in entry)
    rest.body = listed("BTC-USDT", "SOL-USDT")
    venue.until(lambda report: report["subscribed"] == 2)
    said = running.wait("instruments: no longer selected")
    assert (said["connection"], said["names"], said["reason"]) == (
        *("binance-1", "ETH-USDT", "delisted"),
    )
    last = own_streams.entries(key.format("ETH"))[-1]
    assert (last["type"], last["reason"]) == ("gap", "delisted")
    [left] = [e for e in own_streams.data("md:binance:feed:binance-1") if e["type"] == "left"]
    assert (left["reason"], left["detail"]) == ("delisted", "ethusdt@trade")
    newest = own_streams.newest(key.format("BTC"))
    own_streams.wait(key.format("BTC"), lambda entry: "id" in entry, newest)
    assert own_streams.entries(key.format("BTC")) == own_streams.data(key.format("BTC"))
    assert venue.report()["counts"]["opened"] == 1

    os.kill(running.workers()[0], signal.SIGKILL)
    running.wait("feed: subscribed", times=2)
    assert venue.until(lambda report: report["open"] == 1)["subscribed"] == 2

    # Back again, on a connection of its own; and gone again, with its connection.
    end = own_streams.newest(key.format("ETH"))
    rest.body = listed("BTC-USDT", "ETH-USDT", "SOL-USDT")
    own_streams.wait(key.format("ETH"), lambda entry: "id" in entry, end)
    assert own_streams.client.xrange(key.format("ETH"), f"({end}", count=1)[0][1]["type"] == "reset"
    rest.body = listed("BTC-USDT", "SOL-USDT")
    venue.until(lambda report: report["open"] == 1)
    last = own_streams.newest(key.format("ETH"))
    rest.body = listed("BTC-USDT", "ETH-USDT", "SOL-USDT")
    reset = own_streams.wait(key.format("ETH"), lambda e: e.get("type") == "reset", last)
    own_streams.wait(key.format("ETH"), lambda entry: "id" in entry, reset)
    running.stop()
    report = venue.report()
    assert report["violations"] == []
    assert report["counts"]["client closed 1001"] == 3


def test_a_start_while_the_venues_list_is_away(kit: Any, own_streams: Any, rest: Rest) -> None:
    """What was kept is good enough, and the log says so; with nothing kept the start fails."""
    venue = kit.venue([["serve"]])
    first = service(kit, own_streams, venue, rest.url, SELECTING)
    trades(own_streams, "BTC-USDT")
    first.stop()
    kept = kit.directory / "data/instruments/binance.json"
    assert len(json.loads(kept.read_bytes())["instruments"]) == 2

    rest.body = 404
    second = service(kit, own_streams, venue, rest.url, SELECTING)
    said = second.wait("instruments: the venue does not answer; going on with what was kept")
    assert said["age_s"] < 60
    second.wait("feed: subscribed")
    second.stop()

    kept.unlink()
    third = service(kit, own_streams, venue, rest.url, SELECTING)
    assert third.exit_status() == 1
    assert "the instruments of binance are not known" in third.text()


def test_lists_by_name_do_not_wait_for_the_venue(kit: Any, own_streams: Any, rest: Rest) -> None:
    """The feed runs first; then its names are checked."""
    venue = kit.venue([["serve"]])
    names = ["BTC-USDT", "TYPO-USDT"]
    running = service(kit, own_streams, venue, rest.url, {**SELECTING, "instruments": names})
    trades(own_streams, "BTC-USDT")
    said = running.wait("instruments: the venue does not list what the config names")
    assert said["names"] == "TYPO-USDT"
    running.stop()


def test_stop_while_the_list_is_awaited(kit: Any, own_streams: Any) -> None:
    """A signal ends the wait for a venue that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        venue = kit.venue([["serve"]])
        running = service(kit, own_streams, venue, url, SELECTING)
        client, _ = hanging.accept()
        with client:
            assert client.recv(4096).startswith(b"GET ")
            running.signal(signal.SIGTERM)
            assert running.exit_status() == 0

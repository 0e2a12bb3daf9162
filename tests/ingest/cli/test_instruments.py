"""`ingest instruments`, and what `ingest check` makes of selectors."""

import asyncio
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from ingest import venues
from ingest.cli import main
from ingest.cli.instruments import describe_age
from ingest.instruments import InstrumentSource
from tests.servers.http_site import Site, answering
from tests.servers.listing import binance, listed

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def listing_venue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(venues._VENUES, "binance", binance())
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def site() -> Iterator[Site]:
    """A venue that lists two pairs, on a loop of its own."""
    found: list[Site] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=listed("SOL-USDT", "BTC-USDT"))

    async def serve() -> None:
        async with answering(handler) as site:
            found.append(site)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def config(rest_url: str, selector: str = "{quote: USDT}", more: str = "") -> str:
    text = (
        f"venues: {{binance: {{rest_url: '{rest_url}'}}}}\n"
        f"feeds:\n  - {{venue: binance, channels: [trade, bbo], instruments: {selector}}}\n{more}"
    )
    Path("c.yaml").write_text(text)
    return "c.yaml"


def test_listed_for_programs(site: Site) -> None:
    """Tabs, with names of columns; what the venue does not say is empty."""
    result = CliRunner().invoke(main, ["instruments", "binance", "--config", config(site.url)])

    assert result.exit_code == 0, result.stderr
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        [
            *("name", "symbol", "kind", "tick_size", "lot_size"),
            *("contract_size", "volume", "trading"),
        ],
        ["BTC-USDT", "BTCUSDT", "spot", "", "", "", "999", "yes"],
        ["SOL-USDT", "SOLUSDT", "spot", "", "", "", "1000", "yes"],
    ]
    assert Path("data/instruments/binance.json").is_file()


def test_json(site: Site) -> None:
    arguments = ["instruments", "binance", "--json", "--config", config(site.url)]
    result = CliRunner().invoke(main, arguments)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["name"] for entry in found] == ["BTC-USDT", "SOL-USDT"]
    assert found[0]["tick_size"] is None


def test_the_venue_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept is shown, and stderr says how old it is; else exit status 1."""
    impatient = partial(InstrumentSource, retry_after_s=())
    monkeypatch.setattr("ingest.cli.instruments.InstrumentSource", impatient)
    away = ["instruments", "binance", "--config", config(NOWHERE)]
    result = CliRunner().invoke(main, away)
    assert result.exit_code == 1
    assert "the instruments of binance are not known" in result.stderr

    CliRunner().invoke(main, ["instruments", "binance", "--config", config(site.url)])
    config(NOWHERE)
    result = CliRunner().invoke(main, away)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "this list was kept 0 s ago" in result.stderr


def test_an_unknown_venue() -> None:
    result = CliRunner().invoke(main, ["instruments", "binanse"])
    assert result.exit_code == 2
    assert "did you mean binance?" in result.stderr


def test_check_resolves(site: Site) -> None:
    """The plan shows what the selector means now; nothing is written."""
    result = CliRunner().invoke(main, ["check", config(site.url, "{quote: USDT, top: 1}")])

    assert result.exit_code == 0, result.output
    assert "SOL-USDT" in result.stdout
    assert "BTC-USDT" not in result.stdout
    assert "binance-1 selects 1 of 2 instruments by {quote: USDT, top: 1}" in result.stdout
    assert not Path("data").exists()


def test_check_when_the_venue_does_not_answer() -> None:
    """It says so; the rest of the plan is shown, and it is no mistake of the config's."""
    path = config(NOWHERE, more="  - {venue: binance, channels: [book], instruments: [ETH-USDT]}\n")
    result = CliRunner().invoke(main, ["check", path])

    assert result.exit_code == 0, result.output
    assert "binance-1 is not resolved, and not in this plan" in result.stdout
    assert "ETH-USDT" in result.stdout


def test_check_of_a_selector_that_selects_nothing(site: Site) -> None:
    result = CliRunner().invoke(main, ["check", config(site.url, "{quote: EUR}")])
    assert "binance-1 cannot run: feed binance-1: {quote: EUR} selects nothing" in result.stdout


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (90000, "1 d"), (-5, "0 s")],
)
def test_ages(seconds: float, words: str) -> None:
    assert describe_age(seconds) == words

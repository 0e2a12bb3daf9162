"""`ingest check`: what it prints of a sound config."""

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from ingest import venues
from ingest.cli import main
from ingest.cli.check import render
from ingest.config import parse_config
from ingest.plan import make_plan

TEXT = """\
redis: {url: "redis://joe:hunter2@db:6379/1"}
workers: 5
venues:
  binance: {topics_per_connection: 3, proxy: "http://joe:hunter2@proxy:1", verify: false}
feeds:
  - {venue: binance, channels: [trade], instruments: [BTC-USDT, ETH-USDT, SOL-USDT, XRP-USDT]}
  - {venue: binance, channels: [bbo], instruments: [BTC-USDT], name: quotes}
"""


def test_the_plan_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections, topics, workers, streams, the Redis without its password, notes."""
    monkeypatch.setattr("ingest.cli.check.available_cores", lambda: 2)
    path = tmp_path / "c.yaml"
    path.write_text(TEXT)

    result = CliRunner().invoke(main, ["check", str(path)])

    assert result.exit_code == 0, result.stderr
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    url = venues.get("binance").ws_url
    assert lines[0] == f"{path}: no mistakes"
    assert lines[2].split() == ["CONNECTION", "WORKER", "TOPICS", "WHAT"]
    assert [line.split() for line in lines[3:8]] == [
        ["binance-1.1", "0", "2", url],
        ["trade"],
        ["BTC-USDT,", "ETH-USDT"],
        ["through", "http://joe:***@proxy:1"],
        ["the", "venue's", "certificate", "is", "NOT", "verified"],
    ]
    assert lines[13].split() == ["quotes", "2", "1", url]
    assert lines[-7:] == [
        "workers    3, with 1 to 2 topics each",
        "streams    5 of market data, 3 of connection events",
        "redis      redis://joe:***@db:6379/1",
        "keys       md:{venue}:{channel}:{instrument}",
        "entries    about 1,000,000 kept in each stream, encoded as fields",
        "note       venues.binance.verify is false: whoever is on the way can read and change "
        "what it sends",
        "note       workers is 5, but there is nothing to do for more than 3: 3 connections in all",
    ]
    assert "hunter2" not in result.output


def test_redundancy_is_shown(tmp_path: Path) -> None:
    """How many connections each has, by which ways, and how many that makes in all."""
    path = tmp_path / "c.yaml"
    path.write_text(
        "venues: {binance: {source_address: [eth0, 192.0.2.7], max_age_s: 3600}}\n"
        "feeds:\n"
        "  - {venue: binance, channels: [trade], instruments: [BTC-USDT], redundancy: 2}\n"
        "  - {venue: okx, channels: [trade], instruments: [BTC-USDT]}\n"
    )

    result = CliRunner().invoke(main, ["check", str(path)])

    lines = [line.strip() for line in result.stdout.splitlines()]
    start = lines.index("2 connections, each with all of it")
    assert lines[start : start + 4] == [
        "2 connections, each with all of it",
        "replaced by a new one within 3600 s",
        "from eth0",
        "from 192.0.2.7",
    ]
    assert "redundant  3 connections to venues in all" in lines


def test_it_fits_a_terminal_of_80_columns() -> None:
    """Nothing is cut off: long texts go on in the next line."""
    names = ", ".join(f"A{i}-USDT" for i in range(40))
    text = f"feeds: [{{venue: binance, channels: [trade, bbo], instruments: [{names}]}}]"
    config = parse_config(text, "c.yaml", {})
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render("c.yaml", config, make_plan(config, cores=1, redis_url="redis://h")))

    shown = console.export_text()

    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "A0-USDT … A39-USDT (40)" in shown
    assert venues.get("binance").ws_url in shown

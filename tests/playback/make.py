"""Recordings of venues of which there are none, as their strict venues (tests/servers) talk.

    python -m tests.playback.make DIR
    INGEST_RECORDINGS=DIR scripts/test -m long tests/playback

What such a venue says is ours, so this shows no misreading of the real one; it shows that
recorder, replay, service and checker agree about each kind of message.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_SECONDS = 12
_TWO = ("C0000-{}", "C0001-{}")
_VENUES = {
    "gateio-usdt": ("USDT-PERP", ["trade", "bbo", "book", "ticker", "mark"]),
    "gateio-btc": ("USD-PERP", ["trade", "bbo", "book", "ticker"]),
    "kucoin-futures": (
        "USDT-PERP",
        ["trade", "bbo", "book", "ticker", "mark", "open_interest", "funding"],
    ),
    "gemini-v3": ("USD", ["trade", "bbo", "book"]),
    "crypto-com": ("USD", ["trade", "bbo", "book", "ticker"]),
    "hyperliquid": ("USDC-PERP", ["trade", "bbo", "book"]),
}


def make(venue: str, out: Path) -> None:
    """Record some seconds of one venue under *out*."""
    quote, channels = _VENUES[venue]
    strict = [sys.executable, "-m", "tests.servers.strict", "--family", venue, "--rate", "20"]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(
            strict, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        host = f"127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        feed = {
            "venue": venue,
            "channels": channels,
            "instruments": [n.format(quote) for n in _TWO],
        }
        urls = {"ws_url": f"ws://{host}", "rest_url": f"http://{host}"}
        config = Path(directory) / "config.yaml"
        config.write_text(
            json.dumps({"feeds": [feed], "venues": {venue: urls}, "data_dir": directory})
        )
        record = [sys.executable, "-m", "ingest", "record", str(config), "--out", str(out)]
        subprocess.run([*record, "--for", f"{_SECONDS}s"], check=True)
        server.stdin.close()  # which ends it


if __name__ == "__main__":
    for name in _VENUES:
        make(name, Path(sys.argv[1]))

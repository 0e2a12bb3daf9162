"""Where a stream stands, read from what is stored."""

import pytest

from ingest import codecs
from ingest.codecs import Codec
from ingest.model import AnyEvent, Marker, Stream, Trade
from ingest.trades.recall import last_trade

STREAM = Stream("binance", "trade", "BTC-USDT")


def stored(codec: Codec, event: AnyEvent) -> dict[bytes, bytes]:
    count, encoded = codec.encode(STREAM, event)
    words = encoded.split(b"\r\n")[1:-1:2]
    assert len(words) == count
    return dict(zip(words[::2], words[1::2], strict=True))


def trade(number: int, *, backfill: bool | None = None) -> Trade:
    return Trade(
        rx=1, ts=number * 10, price="1", size="1", side="buy", id=str(number), backfill=backfill
    )


@pytest.mark.parametrize("name", ["fields", "json"])
def test_the_highest_id_counts_not_the_newest_entry(name: str) -> None:
    codec = codecs.get(name)
    events = [
        Marker(type="reset", reason="started", rx=3),
        trade(7, backfill=True),
        trade(9),
        Marker(type="gap", reason="sequence", rx=1, from_seq=7, to_seq=8),
    ]
    entries = [stored(codec, event) for event in events]
    assert last_trade(codec, entries) == (9, 90)


@pytest.mark.parametrize("name", codecs.names())
def test_what_is_not_ours_is_passed_over(name: str) -> None:
    odd: list[dict[bytes, bytes]] = [{b"id": b"x"}, {b"what": b"1"}, {b"d": b"{"}, {b"id": b""}, {}]
    assert last_trade(codecs.get(name), odd) == (None, None)


@pytest.mark.parametrize("name", ["fields", "json"])
def test_a_number_that_is_not_the_id(name: str) -> None:
    """Where the venue's backfill goes by `seq`, so does what is read; nothing else is one."""
    codec = codecs.get(name)
    numbered = Trade(rx=1, ts=5, price="1", size="1", side="buy", id="700", seq=7)
    entries = [stored(codec, trade(900)), stored(codec, numbered)]

    assert last_trade(codec, entries, "seq") == (7, 5)
    assert last_trade(codec, entries) == (900, 9000)

"""A recording in which one update of one book is lost, repeated or swapped with the next.

So that the book can be begun again, the venue's own snapshots are put in behind the
fault, made of the independent reconstruction: as REST answers, or as frames.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.playback.book import PlainBook
from tests.playback.expected import Expected
from tests.playback.recording import File
from tests.playback.wire import Entry, Rules, load

Levels = list[list[str]]


@dataclass
class Fault:
    """What was done, to which stream's updates; numbers count the book's deltas from 0."""

    kind: str
    instrument: str
    number: int
    delta: Entry
    after: Entry  # the delta that followed it


@dataclass
class _Delta:
    file: File
    at: int  # place of its line
    entry: Entry
    before: dict[str, Any]  # the frame, as JSON


Answer = Callable[[str, Levels, Levels], str]  # seq, bids, asks → body
Snapshot = Callable[[dict[str, Any], Levels, Levels], Any]  # a delta's frame → a snapshot's


def _binance(seq: str, bids: Levels, asks: Levels) -> str:
    sides = {"bids": bids, "asks": asks}
    return json.dumps({"lastUpdateId": int(seq), **sides}, separators=(",", ":"))


def _kucoin(seq: str, bids: Levels, asks: Levels) -> str:
    data = {"time": 1619378326628, "sequence": seq, "bids": bids, "asks": asks}
    return json.dumps({"code": "200000", "data": data})


def _gateio(seq: str, bids: Levels, asks: Levels) -> str:
    return json.dumps({"id": int(seq), "bids": bids, "asks": asks})


def _gateio_futures(seq: str, bids: Levels, asks: Levels) -> str:
    sides = {"bids": bids, "asks": asks}
    rows = {name: [{"p": p, "s": size} for p, size in side] for name, side in sides.items()}
    return json.dumps({"id": int(seq), **rows})


def _okx(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    data = {
        **frame["data"][0],
        "bids": [[*level, "0", "1"] for level in bids],
        "asks": [[*level, "0", "1"] for level in asks],
    }
    return {**frame, "action": "snapshot", "data": [data]}


def _kraken(frame: Any, bids: Levels, asks: Levels) -> Any:
    sides = {"as": asks, "bs": bids}
    book = {name: [[*level, "1.000000"] for level in levels] for name, levels in sides.items()}
    return [frame[0], book, *frame[-2:]]


class _Number(float):
    """A number that is written as it was read."""

    def __new__(cls, text: str) -> "_Number":
        self = super().__new__(cls, text)
        self.text = text  # type: ignore[attr-defined]
        return self

    def __repr__(self) -> str:
        return self.text  # type: ignore[attr-defined,no-any-return]


def _deribit(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    def rows(levels: Levels) -> list[list[Any]]:
        return [["new", _Number(price), _Number(size)] for price, size in levels]

    data = {**frame["params"]["data"], "type": "snapshot", "bids": rows(bids), "asks": rows(asks)}
    del data["prev_change_id"]
    return {**frame, "params": {**frame["params"], "data": data}}


def _bybit(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    return {**frame, "type": "snapshot", "data": {**frame["data"], "b": bids, "a": asks}}


def _gateio_usdt(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    result = {**frame["result"], "full": True, "b": bids, "a": asks}
    del result["U"]
    return {**frame, "result": result}


def _kucoin_futures(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    data = {**frame["d"], "b": bids, "a": asks, "O": frame["d"]["C"]}
    return {**frame, "t": "snapshot", "d": data}


def _gemini_v3(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    return {**frame, "U": frame["u"], "b": bids, "a": asks}


def _crypto_com(frame: dict[str, Any], bids: Levels, asks: Levels) -> Any:
    sides = {"bids": bids, "asks": asks}
    rows = {name: [[*level, "1"] for level in side] for name, side in sides.items()}
    numbers = {name: frame["result"]["data"][0][name] for name in ("t", "u")}
    return {**frame, "result": {**frame["result"], "channel": "book", "data": [rows | numbers]}}


ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("binance", "binance-usdm", "binance-coinm"), _binance),
    **{"kucoin": _kucoin, "gateio": _gateio, "gateio-btc": _gateio_futures},
}
FRAMES: dict[str, Snapshot] = {
    **{"okx": _okx, "kraken-v1": _kraken, "deribit": _deribit, "bybit": _bybit},
    **{"gateio-usdt": _gateio_usdt, "kucoin-futures": _kucoin_futures},
    **{"gemini-v3": _gemini_v3, "crypto-com": _crypto_com},
}
ENOUGH = 12  # updates of a book that may be disturbed
_EVERY = 4  # deltas of the book from one snapshot that is put in to the next


def disturb(wanted: Expected, files: Sequence[File], kind: str, seed: int) -> Fault:
    """Do *kind* to one update, and put snapshots in behind it; *files* are changed."""
    chance = random.Random(seed)
    rules = wanted.rules
    deltas, urls, books = _deltas(rules, wanted.book, files)
    busy = [name for name, found in deltas.items() if len(found) >= ENOUGH]
    name = chance.choice(sorted(busy))
    own = deltas[name]
    number = chance.randrange(len(own) // 3, len(own) // 2)
    _put_snapshots(rules, own[number + 3 :: _EVERY], urls.get(name, ""), books[name])
    at, following = own[number], own[number + 1]
    line = at.file.lines[at.at]
    if kind == "lose":
        line.raw = b""
    elif kind == "repeat":
        line.raw = line.raw + b"\n" + line.raw
    else:
        other = following.file.lines[following.at]
        line.raw, other.raw = line.frame(other.payload), other.frame(line.payload)
    return Fault(kind, name, number, at.entry, following.entry)


def _deltas(
    rules: Rules, channel: str, files: Sequence[File]
) -> tuple[dict[str, list[_Delta]], dict[str, str], dict[str, list[tuple[Levels, Levels]]]]:
    """Each book's deltas, the URL of its snapshot, and the book after each delta."""
    deltas: dict[str, list[_Delta]] = {}
    urls: dict[str, str] = {}
    snapshots: dict[str, Any] = {}
    for file in files:
        for line in file.lines:
            if line.kind == "rest" and rules.snapshot is not None:
                found = rules.snapshot(line.url, load(line.payload))
                if found:
                    urls[found[0]], snapshots[found[0]] = line.url, found[1:]
    plain: dict[str, PlainBook] = {}
    books: dict[str, list[tuple[Levels, Levels]]] = {}
    for file in sorted(files, key=lambda file: next((line.ns for line in file.frames()), 0)):
        read = rules.new()
        for place, line in enumerate(file.lines):
            if line.kind != "frame":
                continue
            events = read(load(line.payload))
            for other, name, entry in events if not isinstance(events, str) else ():
                if other != channel or not isinstance(entry, dict):
                    continue
                book = plain.setdefault(name, PlainBook(rules.depth))
                if entry["type"] == "snapshot":
                    book.replace(entry["bids"], entry["asks"])
                    continue
                if name in snapshots and name not in books:
                    book.replace(*snapshots[name][:2])
                if name not in snapshots or int(entry["seq"]) > snapshots[name][2]:
                    book.apply(entry["bids"], entry["asks"])
                known = deltas.setdefault(name, [])
                known.append(_Delta(file, place, entry, json.loads(line.payload)))
                books.setdefault(name, []).append(book.levels())
    for name, found in deltas.items():
        for delta, levels in zip(found, books[name], strict=True):
            delta.entry = {**delta.entry, "book": levels}
    return deltas, urls, books


def _put_snapshots(
    rules: Rules, behind: Sequence[_Delta], url: str, books: Sequence[tuple[Levels, Levels]]
) -> None:
    for delta in behind:
        line = delta.file.lines[delta.at]
        bids, asks = delta.entry["book"]
        if rules.venue in ANSWERS:
            body = ANSWERS[rules.venue](delta.entry["seq"], bids, asks)
            put = line.answer(url, body.encode())
        else:
            frame = FRAMES[rules.venue](delta.before, bids, asks)
            put = line.frame(json.dumps(frame, separators=(",", ":")).encode())
        line.raw += b"\n" + put

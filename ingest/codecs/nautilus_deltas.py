"""A book's changes as nautilus_trader's `OrderBookDeltas`, in MessagePack.

Their form repeats the instrument, the sequence and the times for each level. Here
a level is one f-string over prepared pieces, text in which each character stands
for one byte (Latin-1): 0.3 to 0.4 µs a level.

A snapshot is a `CLEAR` and then an `ADD` for each level.

Source: as `ingest.codecs.nautilus`; https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from typing import Any

import msgspec

from ingest.model import Book, Level

F_LAST, F_SNAPSHOT = 128, 32

_encode = msgspec.msgpack.Encoder().encode


def _text(value: object) -> str:
    return _encode(value).decode("latin-1")


_TYPE, _INSTRUMENT_ID, _ACTION = _text("type"), _text("instrument_id"), _text("action")
_DELTAS = f"\x83{_TYPE}{_text('OrderBookDeltas')}{_INSTRUMENT_ID}"
_DELTA = f"\x88{_TYPE}{_text('OrderBookDelta')}{_INSTRUMENT_ID}"
_ORDER, _SIZE = f"{_text('order')}\x84{_text('side')}", _text("size")
_ACTIONS = {
    (action, side): f"{_text(action)}{_ORDER}{_text(side)}{_text('price')}"
    for action in ("ADD", "UPDATE", "DELETE")
    for side in ("BUY", "SELL")
}
_CLEAR = f"{_text('CLEAR')}{_ORDER}{_text('NO_ORDER_SIDE')}{_text('price')}"
_FLAGS = f"{_text('order_id')}{_text(0)}{_text('flags')}"
_SEQUENCE, _TS_EVENT, _TS_INIT = _text("sequence"), _text("ts_event"), _text("ts_init")
# Of texts up to 255 bytes, by length: what stands before one.
_HEADERS = [chr(0xA0 + n) if n < 32 else f"\xd9{chr(n)}" for n in range(256)]


def pieces(instrument_id: str) -> tuple[str, str, str]:
    """Return the id, and how all deltas and each delta of an instrument begin."""
    name = _text(instrument_id)
    return instrument_id, f"{_DELTAS}{name}{_text('deltas')}", f"{_DELTA}{name}{_ACTION}"


def deltas(prepared: tuple[str, str, str], event: Book) -> bytes | None:
    """Return the message of one event; None if it changes nothing, which theirs cannot say.

    Prices and sizes are decimals, and so ASCII: the venues' decoders let no others through.
    """
    instrument_id, whole, head = prepared
    snapshot = event.type == "snapshot"
    sequence = _text(event.seq or 0)
    ts_event = _text(event.rx if event.ts is None else event.ts)
    rest = f"{_SEQUENCE}{sequence}{_TS_EVENT}{ts_event}{_TS_INIT}{_text(event.rx)}"
    try:
        items = _items(event, head, f"{_FLAGS}{_text(F_SNAPSHOT if snapshot else 0)}{rest}")
        if snapshot:
            # Theirs has no flags on it.
            clear = f"{head}{_CLEAR}\xa10{_SIZE}\xa10{_FLAGS}\x00{rest}"
            items.insert(0, clear)
        if not items:
            return None
        last = f"{_FLAGS}{_text(F_LAST | (F_SNAPSHOT if snapshot else 0))}{rest}"
        items[-1] = f"{items[-1].rpartition(_FLAGS)[0]}{last}"
        return f"{whole}{_array(len(items))}{''.join(items)}".encode("latin-1")
    except IndexError:  # a text longer than there are headers for
        return _encode(plain(instrument_id, event))


def _items(event: Book, head: str, tail: str) -> list[str]:
    items: list[str] = []
    snapshot = event.type == "snapshot"
    for side, levels in (("BUY", event.bids), ("SELL", event.asks)):
        if snapshot:
            put = f"{head}{_ACTIONS['ADD', side]}"
            items += [
                f"{put}{_HEADERS[len(price)]}{price}{_SIZE}{_HEADERS[len(size)]}{size}{tail}"
                for price, size in levels
                if size.strip("0.")
            ]
        else:
            put = f"{head}{_ACTIONS['UPDATE', side]}"
            delete = f"{head}{_ACTIONS['DELETE', side]}"
            items += [
                f"{put if size.strip('0.') else delete}"
                f"{_HEADERS[len(price)]}{price}{_SIZE}{_HEADERS[len(size)]}{size}{tail}"
                for price, size in levels
            ]
    return items


def _array(count: int) -> str:
    if count < 16:
        return chr(0x90 + count)
    size, header = (2, b"\xdc") if count < 65_536 else (4, b"\xdd")
    return (header + count.to_bytes(size, "big")).decode("latin-1")


def plain(instrument_id: str, event: Book) -> dict[str, Any]:
    """Return the same message as a dict: slow, and the way out for long texts."""
    snapshot = event.type == "snapshot"
    found: list[tuple[str, str, Level]] = []
    if snapshot:
        found.append(("CLEAR", "NO_ORDER_SIDE", ("0", "0")))
    for side, levels in (("BUY", event.bids), ("SELL", event.asks)):
        for level in levels:
            some = bool(level[1].strip("0."))
            if some or not snapshot:
                found.append(("ADD" if snapshot else "UPDATE" if some else "DELETE", side, level))
    items = [
        {
            "type": "OrderBookDelta",
            "instrument_id": instrument_id,
            "action": action,
            "order": {"side": side, "price": price, "size": size, "order_id": 0},
            "flags": F_SNAPSHOT if snapshot and action != "CLEAR" else 0,
            "sequence": event.seq or 0,
            "ts_event": event.rx if event.ts is None else event.ts,
            "ts_init": event.rx,
        }
        for action, side, (price, size) in found
    ]
    if items:
        items[-1]["flags"] = F_LAST | (F_SNAPSHOT if snapshot else 0)
    return {"type": "OrderBookDeltas", "instrument_id": instrument_id, "deltas": items}

"""Event to flat fields: the writer of each event type, generated once, at import.

A writer is one f-string over prepared pieces. Measured on a best bid and offer
with six fields: 0.75 µs; a loop over the fields 1.4 µs; `hiredis.pack_command`
on a list 1.9 µs.
"""

from collections.abc import Callable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from ingest.codecs.resp import bulks
from ingest.model import AnyEvent

Kind = Literal["text", "int", "bool", "levels"]
Writer = Callable[[AnyEvent], tuple[int, bytes]]

# No price, size or time is longer; a value that is takes the general way.
_TABLE_LENGTH = 64

_levels_json = msgspec.json.Encoder().encode

_CRLF = "\r\n"

# Each leaves the value's text in the variable that holds the value.
_TO_TEXT: dict[Kind, str] = {
    "text": "",
    "int": "{v} = str({v}); ",
    "bool": "{v} = '1' if {v} else '0'; ",
    "levels": "{v} = str(levels_json({v}), 'ascii'); ",
}


def kinds(event_type: type[Struct]) -> dict[str, Kind]:
    """Map each field of an event type, in published order, to how its value is written."""
    return {field.name: _kind(field.type) for field in msgspec.structs.fields(event_type)}


def pairs(event: AnyEvent) -> list[tuple[str, str]]:
    """List an event's fields and their values as strings, in published order.

    Plain and slow: it states what the writers produce, and is their way out for
    values that are long or not ASCII.
    """
    found = zip(kinds(type(event)).items(), msgspec.structs.astuple(event), strict=True)
    return [(name, _as_text(kind, value)) for (name, kind), value in found if value is not None]


def writer(event_type: type[Struct]) -> Writer:
    """Generate the function that writes events of one type, as `Codec.encode` returns them.

    Before each value stands a piece from a table by the value's length: the end
    of the value before, the field's name, the length. Absent values and their
    pieces are empty strings.
    """
    names: dict[str, Any] = {"levels_json": _levels_json, "write_any": _write_any}
    required = 0
    body = []
    result = ""
    for index, field in enumerate(msgspec.structs.fields(event_type)):
        kind = _kind(field.type)
        v, piece, table = f"v{index}", f"p{index}", f"TABLE{index}"
        head = f"{_CRLF if index else ''}${len(field.name)}{_CRLF}{field.name}{_CRLF}$"
        if kind == "levels":
            names[table] = head
            lookup = f"{piece} = f'{{{table}}}{{len({v})}}\\r\\n'"
        else:
            names[table] = [f"{head}{length}{_CRLF}" for length in range(_TABLE_LENGTH)]
            lookup = f"{piece} = {table}[len({v})]"
        present = _TO_TEXT[kind].format(v=v) + lookup
        body.append(f"{v} = event.{field.name}")
        if field.required:
            required += 2
            body.append(present)
        else:
            body.append(f"if {v} is None: {v} = {piece} = ''")
            body.append(f"else: {present}; n += 2")
        result += f"{{{piece}}}{{{v}}}"
    source = "\n".join(
        [
            "def write(event):",
            " try:",
            f"  n = {required}",
            *(f"  {line}" for line in body),
            f"  return n, f'{result}\\r\\n'.encode('ascii')",
            " except (IndexError, UnicodeEncodeError):",
            "  return write_any(event)",
        ]
    )
    exec(source, names)  # made of the model's own field names and nothing else
    write: Writer = names["write"]
    return write


def _write_any(event: AnyEvent) -> tuple[int, bytes]:
    texts = [text for pair in pairs(event) for text in pair]
    return len(texts), bulks(texts)


def _as_text(kind: Kind, value: Any) -> str:
    if kind == "bool":
        return "1" if value else "0"
    return _levels_json(value).decode() if kind == "levels" else str(value)


def _kind(annotation: Any) -> Kind:
    if NoneType in get_args(annotation):
        (annotation,) = (arg for arg in get_args(annotation) if arg is not NoneType)
    if get_origin(annotation) is list:
        return "levels"
    plain: dict[Any, Kind] = {int: "int", bool: "bool"}
    return plain.get(annotation, "text")

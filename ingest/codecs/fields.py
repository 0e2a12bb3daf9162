"""`encoding: fields`: one stream field for each value, everything a string."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct

from ingest.codecs.base import OwnKeys, Record
from ingest.codecs.fields_writer import Kind, kinds, writer
from ingest.model import AnyEvent, Stream


class FieldsCodec(OwnKeys):
    """The default: readable with nothing but redis-cli."""

    def encode(self, stream: Stream, event: AnyEvent) -> tuple[int, bytes]:  # noqa: ARG002
        """As `Codec.encode`. The stream's key says what the stream is; no field repeats it."""
        return _WRITERS[type(event)](event)

    def decode(self, fields: Mapping[bytes, bytes]) -> Record:
        """As `Codec.decode`."""
        record: Record = {}
        for field, value in fields.items():
            name = field.decode()
            if name not in _KINDS:
                raise ValueError(f"{name!r} is no field that `encoding: fields` writes")
            record[name] = _READ[_KINDS[name]](value)
        return record


def _read_bool(value: bytes) -> bool:
    if value not in (b"0", b"1"):
        raise ValueError(f"expected 0 or 1, found {value!r}")
    return value == b"1"


_READ: dict[Kind, Callable[[bytes], Any]] = {
    "text": bytes.decode,
    "int": int,
    "bool": _read_bool,
    "levels": msgspec.json.decode,
}
_EVENT_TYPES: tuple[type[Struct], ...] = get_args(AnyEvent)
_WRITERS = {event_type: writer(event_type) for event_type in _EVENT_TYPES}
# One name has one kind in every event, or an entry could not be read alone.
_KINDS: dict[str, Kind] = {}
for _event_type in _EVENT_TYPES:
    for _name, _field_kind in kinds(_event_type).items():
        if _KINDS.setdefault(_name, _field_kind) != _field_kind:
            raise TypeError(f"{_event_type.__name__}.{_name} has another kind in another event")

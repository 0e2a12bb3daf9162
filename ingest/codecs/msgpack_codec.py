"""`encoding: msgpack`: the whole record as a MessagePack map in the one field `d`.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md#map-format-family
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ingest.codecs.base import OwnKeys, Record
from ingest.codecs.resp import ONE_FIELD_D, bulk, only_field
from ingest.model import AnyEvent, Stream

_encode = msgspec.msgpack.Encoder().encode
_decode: msgspec.msgpack.Decoder[dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any])

_FIXMAP = 0x80  # a map's first byte: this plus the number of entries, 15 at most
_STREAM_FIELDS = len(Stream.__struct_fields__)
# First byte of an event's map to the header of a map that holds the stream's fields too.
_HEADERS = {
    _FIXMAP + count: bytes([_FIXMAP + total])
    if (total := count + _STREAM_FIELDS) <= 15
    else b"\xde" + total.to_bytes(2, "big")
    for count in range(16)
}


class MsgpackCodec(OwnKeys):
    """The record of `JsonCodec`, in about two thirds of its bytes."""

    def encode(self, stream: Stream, event: AnyEvent) -> tuple[int, bytes]:
        """As `Codec.encode`."""
        packed = _encode(event)
        return 2, ONE_FIELD_D + bulk(_HEADERS[packed[0]] + _stream_fields(stream) + packed[1:])

    def decode(self, fields: Mapping[bytes, bytes]) -> Record:
        """As `Codec.decode`."""
        return _decode.decode(only_field(fields))


@lru_cache(maxsize=65536)  # streams of one worker
def _stream_fields(stream: Stream) -> bytes:
    return _encode(stream)[1:]

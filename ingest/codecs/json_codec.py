"""`encoding: json`: the whole record as JSON in the one field `d`."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ingest.codecs.base import OwnKeys, Record
from ingest.codecs.resp import ONE_FIELD_D, bulk, only_field
from ingest.model import AnyEvent, Stream

_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


class JsonCodec(OwnKeys):
    """`{"venue":…,"channel":…,"instrument":…,"rx":…,…}`.

    The record says where it belongs, because one-field records travel on
    without the stream's key. Integers are JSON numbers, nanoseconds included:
    JavaScript readers need a parser that keeps all their digits.
    """

    def encode(self, stream: Stream, event: AnyEvent) -> tuple[int, bytes]:
        """As `Codec.encode`."""
        return 2, ONE_FIELD_D + bulk(_opening(stream) + _encode(event)[1:])

    def decode(self, fields: Mapping[bytes, bytes]) -> Record:
        """As `Codec.decode`."""
        return _decode.decode(only_field(fields))


@lru_cache(maxsize=65536)  # streams of one worker
def _opening(stream: Stream) -> bytes:
    return _encode(stream)[:-1] + b","

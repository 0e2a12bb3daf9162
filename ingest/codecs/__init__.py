"""Encodings of stream entries. To add one, write its codec and name it here."""

from ingest.codecs.base import Codec, Record
from ingest.codecs.fields import FieldsCodec
from ingest.codecs.json_codec import JsonCodec
from ingest.codecs.msgpack_codec import MsgpackCodec
from ingest.codecs.records import to_event

__all__ = ["Codec", "Record", "get", "names", "to_event"]

_CODECS: dict[str, Codec] = {
    "fields": FieldsCodec(),
    "json": JsonCodec(),
    "msgpack": MsgpackCodec(),
}


def get(name: str) -> Codec:
    """Return the codec for the config's `redis.encoding`.

    Raises:
        ValueError: no such encoding; the text lists those there are.
    """
    try:
        return _CODECS[name]
    except KeyError:
        raise ValueError(f"no encoding {name!r}; supported are {', '.join(names())}") from None


def names() -> list[str]:
    """Names of all encodings, the default first."""
    return list(_CODECS)

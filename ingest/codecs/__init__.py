"""Encodings of stream entries. To add one, write its codec and name it here."""

from ingest.codecs.base import Codec, Encoder, KeyForm, Record
from ingest.codecs.cryptofeed import CryptofeedEncoder
from ingest.codecs.fields import FieldsCodec
from ingest.codecs.json_codec import JsonCodec
from ingest.codecs.msgpack_codec import MsgpackCodec
from ingest.codecs.nautilus import NautilusEncoder
from ingest.codecs.records import to_event
from ingest.model import Stream

__all__ = [
    "Codec",
    "Encoder",
    "KeyForm",
    "Record",
    "encoder",
    "encodings",
    "get",
    "names",
    "own_key",
    "stream_key",
    "to_event",
]

_CODECS: dict[str, Codec] = {
    "fields": FieldsCodec(),
    "json": JsonCodec(),
    "msgpack": MsgpackCodec(),
}
_ENCODERS: dict[str, Encoder] = {
    **_CODECS,
    "cryptofeed": CryptofeedEncoder(),
    "nautilus": NautilusEncoder(),
}


def get(name: str) -> Codec:
    """Return the codec of one of our own encodings.

    Raises:
        ValueError: no such encoding; the text lists those there are.
    """
    try:
        return _CODECS[name]
    except KeyError:
        raise ValueError(f"no encoding {name!r}; supported are {', '.join(names())}") from None


def names() -> list[str]:
    """Names of our own encodings, the default first."""
    return list(_CODECS)


def encoder(name: str) -> Encoder:
    """Return what writes the config's `redis.encoding`, ours or another system's."""
    return _ENCODERS[name]


def encodings() -> list[str]:
    """Everything that `redis.encoding` can be, the default first."""
    return list(_ENCODERS)


def own_key(stream: Stream) -> str:
    """Return our own key of a stream, where what another encoding cannot say goes."""
    codec = _CODECS["fields"]
    return codec.keys.default.format_map(codec.key_parts(stream) or {})


def stream_key(encoder: Encoder, template: str, stream: Stream) -> str:
    """Return the key of a stream's data: *template*, or our own where the encoding has none."""
    parts = encoder.key_parts(stream)
    return own_key(stream) if parts is None else template.format_map(parts)

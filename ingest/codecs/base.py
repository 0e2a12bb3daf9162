"""What a codec is: one event to the fields of one stream entry, and back."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from ingest.model import AnyEvent, Stream

# An entry read back, in every encoding the same: prices and sizes `str`, times
# and sequence numbers `int`, `closed` `bool`, the sides of a book lists of
# `[price, size]`; what the venue did not send is not there.
Record = dict[str, Any]

# Bulk strings and how many they are, as `Encoder.encode` returns them.
Encoded = tuple[int, bytes]


class KeyForm(Struct, frozen=True):
    """How the keys of an encoding's streams are made up."""

    default: str  # template
    required: tuple[str, ...]  # placeholders without which two streams would share a key
    optional: tuple[str, ...] = ()


class Encoder(Protocol):
    """Turns events into what stands behind the id in an XADD, and says where that goes."""

    @property
    def keys(self) -> KeyForm:
        """The form of the keys, for `redis.key`."""
        ...

    @property
    def complete(self) -> bool:
        """Whether it can say every event; what it cannot is written aside."""
        ...

    def key_parts(self, stream: Stream) -> Mapping[str, str] | None:
        """Return what the placeholders stand for; None if the encoding has no such streams."""
        ...

    def encode(self, stream: Stream, event: AnyEvent) -> Encoded | None:
        """Return the number of bulk strings and their RESP encoding.

        None: this encoding cannot say it. Who calls writes it aside, in the
        default encoding.

        The strings alternate: field, value, field, value. The number is what
        the caller adds to the array header of its XADD. Whole RESP bytes and
        not a list of strings: joining prepared pieces takes half the time of
        `hiredis.pack_command` on such a list.
        """
        ...


class Codec(Encoder, Protocol):
    """An encoding of our own: it can say everything, and be read back."""

    def encode(self, stream: Stream, event: AnyEvent) -> Encoded:
        """As `Encoder.encode`; never None."""
        ...

    def decode(self, fields: Mapping[bytes, bytes]) -> Record:
        """Return the record of an entry as Redis hands it out.

        Raises:
            ValueError: the entry was not written by this codec.
        """
        ...


class OwnKeys:
    """The keys of our own encodings."""

    keys = KeyForm(
        default="md:{venue}:{channel}:{instrument}", required=("venue", "channel", "instrument")
    )

    complete = True

    def key_parts(self, stream: Stream) -> Mapping[str, str]:
        """As `Encoder.key_parts`: every stream has a key."""
        return {
            "venue": stream.venue,
            "channel": stream.channel,
            "instrument": stream.instrument,
        }


def interval_of(channel: str) -> str | None:
    """Return `1m` of `candle_1m`, None of other channels."""
    return channel.removeprefix("candle_") if channel.startswith("candle_") else None

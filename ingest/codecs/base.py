"""What a codec is: one event to the fields of one stream entry, and back."""

from collections.abc import Mapping
from typing import Any, Protocol

from ingest.model import AnyEvent, Stream

# An entry read back, in every encoding the same: prices and sizes `str`, times
# and sequence numbers `int`, `closed` `bool`, the sides of a book lists of
# `[price, size]`; what the venue did not send is not there.
Record = dict[str, Any]


class Codec(Protocol):
    """Turns events into what stands behind the id in an XADD, and back."""

    def encode(self, stream: Stream, event: AnyEvent) -> tuple[int, bytes]:
        """Return the number of bulk strings and their RESP encoding.

        The strings alternate: field, value, field, value. The number is what
        the caller adds to the array header of its XADD. Whole RESP bytes and
        not a list of strings: joining prepared pieces takes half the time of
        `hiredis.pack_command` on such a list.
        """
        ...

    def decode(self, fields: Mapping[bytes, bytes]) -> Record:
        """Return the record of an entry as Redis hands it out.

        Raises:
            ValueError: the entry was not written by this codec.
        """
        ...

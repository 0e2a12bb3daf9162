"""XADD commands as RESP bytes, the part that never changes packed once per stream.

    *<count>  XADD <key> [MAXLEN ~ <n>]   <id>   <field> <value> …
    └──── by the number, cached ───────┘  per entry   the codec's bytes

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from collections.abc import Sequence

MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"


def bulk(data: bytes) -> bytes:
    """Return *data* as one bulk string."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


def command(*words: bytes) -> bytes:
    """Return one whole command; for the rare ones, where speed does not matter."""
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


class XaddPrefix:
    """Everything of one stream's XADD that comes before the entry id."""

    __slots__ = ("plain", "trimming")

    def __init__(self, key: str, maxlen: int | None) -> None:
        words = [b"XADD", key.encode()]
        trim = [] if maxlen is None else [b"MAXLEN", b"~", b"%d" % maxlen]
        self.plain = _Heads(words)
        self.trimming = _Heads([*words, *trim])


class _Heads(dict[int, bytes]):
    """The command up to its id, by the number of bulk strings that the entry has."""

    # One stream has entries of a few shapes only, so this stays small.
    def __init__(self, words: Sequence[bytes]) -> None:
        super().__init__()
        self._static = b"".join(map(bulk, words))
        self._words = len(words) + 1  # the id follows

    def __missing__(self, count: int) -> bytes:
        head = self[count] = b"*%d\r\n" % (self._words + count) + self._static
        return head

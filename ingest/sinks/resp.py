"""XADD commands as RESP bytes, the part that never changes packed once per stream.

    *<count>  XADD <key> [MAXLEN ~ <n>]   <id>   <field> <value> …
    └──────── head(count), cached ─────┘  per entry   the codec's bytes

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

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

    __slots__ = ("_by_count", "_static", "_words")

    def __init__(self, key: str, maxlen: int | None) -> None:
        words = [b"XADD", key.encode()]
        if maxlen is not None:
            words += [b"MAXLEN", b"~", b"%d" % maxlen]
        self._static = b"".join(map(bulk, words))
        self._words = len(words) + 1  # the id follows
        self._by_count: dict[int, bytes] = {}

    def head(self, count: int) -> bytes:
        """Return the command up to its id, for an entry of *count* bulk strings."""
        # One stream has entries of a few shapes only, so this stays small.
        head = self._by_count.get(count)
        if head is None:
            head = self._by_count[count] = b"*%d\r\n" % (self._words + count) + self._static
        return head

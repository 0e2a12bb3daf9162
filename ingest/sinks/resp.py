"""XADD commands as RESP bytes, the part that never changes packed once per stream.

    *<count>  XADD <key> [MAXLEN ~ <n>]   <id>   <field> <value> …
    └─────── XaddHeads[count] ─────────┘  per entry   the codec's bytes

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


class XaddHeads(dict[int, bytes]):
    """What of a stream's XADD comes before the id, by the entry's number of bulk strings.

    With *maxlen* the command also trims.
    """

    # One stream has entries of a few shapes only, so this stays small.
    __slots__ = ("_static", "_words")

    def __init__(self, key: str, maxlen: int | None) -> None:
        super().__init__()
        words = [b"XADD", key.encode()]
        if maxlen is not None:
            words += [b"MAXLEN", b"~", b"%d" % maxlen]
        self._static = b"".join(map(bulk, words))
        self._words = len(words) + 1  # the id follows

    def __missing__(self, count: int) -> bytes:
        head = self[count] = b"*%d\r\n" % (self._words + count) + self._static
        return head

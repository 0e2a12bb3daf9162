"""Values to flat fields of given names: one generated function for each list of names.

As `fields_writer` does it for our own events: one f-string over prepared pieces.
"""

from collections.abc import Callable
from typing import Any

from ingest.codecs.base import Encoded
from ingest.codecs.resp import bulks

# No price, size or time is longer; a value that is takes the general way.
_TABLE_LENGTH = 64
_CRLF = "\r\n"

Write = Callable[..., Encoded]


def opening(**fields: str) -> str:
    """Return fields that all entries of a stream have, for `writer`'s functions."""
    return "".join(
        f"${len(text.encode())}{_CRLF}{text}{_CRLF}" for pair in fields.items() for text in pair
    )


def writer(*names: str, opened: int = 0, long: str = "") -> Write:
    """Generate `write(opening, *values)`: the *opened* fields of *opening*, then these.

    Values are text, one for each of *names*, in their order. The value of *long*
    is of any length.
    """
    scope: dict[str, Any] = {"general": _general}
    result, values = "", []
    for index, name in enumerate(names):
        value, table = f"v{index}", f"TABLE{index}"
        head = f"{_CRLF if index else ''}${len(name)}{_CRLF}{name}{_CRLF}$"
        values.append(value)
        if name == long:
            scope[table] = head
            result += f"{{{table}}}{{len({value})}}\\r\\n{{{value}}}"
        else:
            scope[table] = [f"{head}{length}{_CRLF}" for length in range(_TABLE_LENGTH)]
            result += f"{{{table}[len({value})]}}{{{value}}}"
    listed = ", ".join(values)
    count = 2 * (opened + len(names))
    pairs = ", ".join(f"{name!r}, {value}" for name, value in zip(names, values, strict=True))
    source = (
        f"def write(opening, {listed}):\n"
        f" try: return {count}, f'{{opening}}{result}\\r\\n'.encode('ascii')\n"
        f" except (IndexError, UnicodeEncodeError): return general({count}, opening, [{pairs}])\n"
    )
    exec(source, scope)  # made of the given names and nothing else
    write: Write = scope["write"]
    return write


def _general(count: int, opening: str, texts: list[str]) -> Encoded:
    return count, opening.encode() + bulks(texts)

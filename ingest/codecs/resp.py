"""RESP bulk strings, the form in which Redis takes every argument.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings
"""

from collections.abc import Iterable, Mapping


def bulk(value: bytes) -> bytes:
    """Encode one value: `$<length>`, CRLF, the bytes, CRLF."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def bulks(values: Iterable[str]) -> bytes:
    """Encode text values of any length and script, as UTF-8."""
    return b"".join(bulk(value.encode()) for value in values)


# For encodings that keep the whole record in one field.
ONE_FIELD_D = bulk(b"d")


def only_field(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the value of the field `d`, the only one.

    Raises:
        ValueError: there are others, or no `d`.
    """
    if fields.keys() != {b"d"}:
        found = b", ".join(sorted(fields)).decode(errors="backslashreplace")
        raise ValueError(f"expected an entry with the one field 'd', found {found or 'none'}")
    return fields[b"d"]

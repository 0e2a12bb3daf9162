"""permessage-deflate: what is offered, and what the server made of it. Pure.

Source: RFC 7692, section 7.1; the header's grammar is RFC 6455, section 9.1.
"""

import re
from dataclasses import dataclass

_NAME = "permessage-deflate"
_ITEM = re.compile(
    r"""\s*(?P<key>[!#$%&'*+.^_`|~0-9A-Za-z-]+)      # a token
        \s*(?:=\s*(?:(?P<value>[!#$%&'*+.^_`|~0-9A-Za-z-]+)|"(?P<quoted>[^"\\]*)"))?\s*""",
    re.VERBOSE,
)


class NegotiationError(ValueError):
    """The server's answer does not fit the offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """An offer. Window bits are 8 to 15: a window of 2**bits bytes.

    `no_context_takeover`: that side starts every message with an empty window,
    which costs compression and saves memory between messages.
    `client_max_window_bits` True offers to be told. `level` is zlib's, for what we
    send: 0 to 9, -1 for its default.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | bool | None = True
    level: int = -1

    def __post_init__(self) -> None:
        for name in ("server_max_window_bits", "client_max_window_bits"):
            bits = getattr(self, name)
            if bits not in (None, True, False) and not 8 <= bits <= 15:
                raise ValueError(f"{name} must be 8 to 15, not {bits}")
        if not -1 <= self.level <= 9:
            raise ValueError(f"level must be -1 to 9, not {self.level}")

    def header(self) -> str:
        """Return the value of Sec-WebSocket-Extensions."""
        parts = [_NAME]
        if self.server_no_context_takeover:
            parts.append("server_no_context_takeover")
        if self.client_no_context_takeover:
            parts.append("client_no_context_takeover")
        if self.server_max_window_bits is not None:
            parts.append(f"server_max_window_bits={self.server_max_window_bits}")
        if self.client_max_window_bits is True:
            parts.append("client_max_window_bits")
        elif self.client_max_window_bits:
            parts.append(f"client_max_window_bits={self.client_max_window_bits}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class DeflateParameters:
    """What both sides agreed on."""

    server_takeover: bool
    client_takeover: bool
    server_bits: int
    client_bits: int
    level: int


def negotiate(values: list[str], offer: Deflate | None) -> DeflateParameters | None:
    """Return what the server's Sec-WebSocket-Extensions agree to; None: no extension.

    Raises:
        NegotiationError: an extension or a parameter that was not offered, twice,
            malformed, or out of range.
    """
    extensions = [item for value in values for item in parse(value)]
    if not extensions:
        return None
    if len(extensions) > 1 or extensions[0][0] != _NAME or offer is None:
        offered = _NAME if offer is not None else "none"
        raise NegotiationError(f"expected {offered}, found {', '.join(values)!r}")
    parameters: dict[str, str | None] = {}
    for key, value in extensions[0][1]:
        if key in parameters:
            raise NegotiationError(f"{_NAME}: {key} is given twice")
        parameters[key] = value
    agreed = DeflateParameters(
        server_takeover=not _flag(parameters, "server_no_context_takeover"),
        client_takeover=not (
            _flag(parameters, "client_no_context_takeover") or offer.client_no_context_takeover
        ),
        server_bits=_bits(parameters, "server_max_window_bits", offer.server_max_window_bits),
        client_bits=_client_bits(parameters, offer),
        level=offer.level,
    )
    if parameters:
        raise NegotiationError(f"{_NAME}: unknown parameter {next(iter(parameters))!r}")
    if offer.server_no_context_takeover and agreed.server_takeover:
        raise NegotiationError(f"{_NAME}: server_no_context_takeover was asked for and not given")
    return agreed


def parse(value: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Return the extensions of one header value with their parameters, in order.

    Raises:
        NegotiationError: not the grammar of an extension list.
    """
    found: list[tuple[str, list[tuple[str, str | None]]]] = []
    for part in value.split(","):
        if not part.strip():
            continue
        items = []
        for text in part.split(";"):
            match = _ITEM.fullmatch(text)
            if match is None:
                raise NegotiationError(f"malformed extension {part.strip()!r}")
            items.append((match["key"], match["value"] or match["quoted"]))
        name, none = items[0]
        if none is not None:
            raise NegotiationError(f"malformed extension {part.strip()!r}")
        found.append((name, items[1:]))
    return found


def _flag(parameters: dict[str, str | None], name: str) -> bool:
    if name not in parameters:
        return False
    if (value := parameters.pop(name)) is not None:
        raise NegotiationError(f"{_NAME}: {name} takes no value, found {value!r}")
    return True


def _bits(parameters: dict[str, str | None], name: str, most: int | None) -> int:
    """Return the window bits agreed to; *most* is what was offered."""
    most = most or 15
    if name not in parameters:
        if most < 15:
            raise NegotiationError(f"{_NAME}: {name} was asked for and not given")
        return 15
    value = parameters.pop(name)
    if value is None or not re.fullmatch(r"[89]|1[0-5]", value) or int(value) > most:
        raise NegotiationError(f"{_NAME}: expected {name} of 8 to {most}, found {value!r}")
    return int(value)


def _client_bits(parameters: dict[str, str | None], offer: Deflate) -> int:
    name = "client_max_window_bits"
    offered = offer.client_max_window_bits
    if name in parameters and not offered:
        raise NegotiationError(f"{_NAME}: {name} was not offered")
    own = 15 if offered is True or not offered else int(offered)
    # Without an answer to it we may still keep to what we offered.
    return _bits(parameters, name, own) if name in parameters else own

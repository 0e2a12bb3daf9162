"""permessage-deflate: the offer, the answer, and what must be refused."""

import pytest

from wscore.extensions import Deflate, DeflateParameters, NegotiationError, negotiate, parse


@pytest.mark.parametrize(
    ("offer", "header"),
    [
        (Deflate(), "permessage-deflate; client_max_window_bits"),
        (Deflate(client_max_window_bits=None), "permessage-deflate"),
        (
            Deflate(
                server_no_context_takeover=True,
                client_no_context_takeover=True,
                server_max_window_bits=10,
                client_max_window_bits=9,
            ),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=10; client_max_window_bits=9",
        ),
    ],
)
def test_offer(offer: Deflate, header: str) -> None:
    assert offer.header() == header


@pytest.mark.parametrize(
    ("answer", "offer", "agreed"),
    [
        ("permessage-deflate", Deflate(), DeflateParameters(True, True, 15, 15, -1)),
        (
            'permessage-deflate; server_max_window_bits=9; client_max_window_bits="10"',
            Deflate(level=3),
            DeflateParameters(True, True, 9, 10, 3),
        ),
        (
            "permessage-deflate;server_no_context_takeover ; client_no_context_takeover",
            Deflate(server_no_context_takeover=True),
            DeflateParameters(False, False, 15, 15, -1),
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            Deflate(server_max_window_bits=12, client_max_window_bits=11),
            DeflateParameters(True, True, 8, 11, -1),
        ),
        (
            "permessage-deflate",
            Deflate(client_no_context_takeover=True),
            DeflateParameters(True, False, 15, 15, -1),
        ),
    ],
)
def test_agreement(answer: str, offer: Deflate, agreed: DeflateParameters) -> None:
    """What the server did not limit stays as large as it can be, or as we offered."""
    assert negotiate([answer], offer) == agreed


def test_no_extension() -> None:
    """The server may ignore the offer."""
    assert negotiate([], Deflate()) is None
    assert negotiate([""], Deflate()) is None


@pytest.mark.parametrize(
    ("answer", "offer"),
    [
        ("permessage-deflate", None),
        ("x-webkit-deflate-frame", Deflate()),
        ("permessage-deflate, permessage-deflate", Deflate()),
        ("permessage-deflate; shiny", Deflate()),
        ("permessage-deflate; server_no_context_takeover=1", Deflate()),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", Deflate()),
        ("permessage-deflate; server_max_window_bits", Deflate()),
        ("permessage-deflate; server_max_window_bits=7", Deflate()),
        ("permessage-deflate; server_max_window_bits=16", Deflate()),
        ("permessage-deflate; server_max_window_bits=09", Deflate()),
        ("permessage-deflate; server_max_window_bits=12", Deflate(server_max_window_bits=11)),
        ("permessage-deflate", Deflate(server_max_window_bits=11)),
        ("permessage-deflate; client_max_window_bits=10", Deflate(client_max_window_bits=None)),
        ("permessage-deflate; client_max_window_bits=12", Deflate(client_max_window_bits=10)),
        ("permessage-deflate; client_max_window_bits", Deflate()),
        ("permessage-deflate", Deflate(server_no_context_takeover=True)),
        ("permessage-deflate; =3", Deflate()),
        ("permessage-deflate=1", Deflate()),
    ],
)
def test_refused(answer: str, offer: Deflate | None) -> None:
    """Source: RFC 7692, sections 5.1 and 7.1."""
    with pytest.raises(NegotiationError):
        negotiate([answer], offer)


def test_parse_keeps_order() -> None:
    assert parse("a; x=1; y, b") == [("a", [("x", "1"), ("y", None)]), ("b", [])]


@pytest.mark.parametrize(
    "bad",
    [{"server_max_window_bits": 7}, {"client_max_window_bits": 16}, {"level": 10}],
)
def test_offers_out_of_range(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Deflate(**bad)  # type: ignore[arg-type]

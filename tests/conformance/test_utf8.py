"""Autobahn's group 6: UTF-8 in text messages, whole, in fragments, and failing fast."""

import pytest

from tests.conformance.conftest import Play
from tests.servers.frames import CONT, TEXT, frame

KOSME = "κόσμε".encode()

VALID = [
    *(b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!", KOSME),
    # 6.6, 6.7 and 6.9: the first and last character of each length.
    *(b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"),
    *(b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"),
    # 6.11: around the surrogates. 6.22: what is no character, and still UTF-8.
    *(b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd"),
    *(chr(plane << 16 | low).encode() for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    *(b"\xef\xbf\xb9", b"\xef\xbf\xba", b"\xef\xbf\xbb", b"\xef\xbb\xbf"),
]
INVALID = [
    *(KOSME + b"\xed\xa0\x80edited", KOSME + b"\xf4\x90\x80\x80edited"),  # 6.3, 6.4
    *(KOSME[:cut] for cut in range(1, len(KOSME), 2)),  # 6.6: cut inside a character
    *(b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"),  # 6.8, 6.10: five and six bytes
    *(b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    *(b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80"),  # beyond U+10FFFF
    *(b"\x80" * n for n in (1, 2, 7)),  # 6.12: continuation bytes alone
    *(b"\xbf", b"".join(bytes([n]) for n in range(0x80, 0xC0))),
    *(b"".join(bytes([n]) + b" " for n in range(lead, end)) for lead, end in
      ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))),  # 6.13
    # 6.14: the last byte is missing.
    *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf"),
    *(b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),  # 6.16
    # 6.17 to 6.19: overlong forms.
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf"),
    *(b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80"),
    # 6.20, 6.21: surrogates, alone and in pairs.
    *(b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"),
    *(b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80"),
]  # fmt: skip


def by_bytes(text: bytes) -> bytes:
    """Each byte a fragment of its own."""
    last = len(text) - 1
    return b"".join(
        frame(CONT if i else TEXT, text[i : i + 1], fin=i == last) for i in range(len(text))
    )


@pytest.mark.parametrize("text", VALID)
async def test_6_valid_text_is_echoed(play: Play, text: bytes) -> None:
    """However it is fragmented."""
    answer = await play(frame(TEXT, text), by_bytes(text), expect=2)
    assert answer.messages == [(TEXT, text)] * 2
    assert answer.close_code == 1000


@pytest.mark.parametrize("text", INVALID)
@pytest.mark.parametrize("cut", [False, True])
async def test_6_invalid_text_fails(play: Play, text: bytes, cut: bool) -> None:
    answer = await play(by_bytes(text) if cut else frame(TEXT, text), then_close=None)
    assert (answer.messages, answer.close_code, answer.ended) == ([], 1007, True)


@pytest.mark.parametrize(
    "sent",
    [
        # 6.4.1, 6.4.2: the message has another fragment to come.
        frame(TEXT, KOSME + b"\xf4\x90\x80\x80", fin=False),
        frame(TEXT, KOSME + b"\xf4", fin=False) + frame(CONT, b"\x90", fin=False),
        # 6.4.3, 6.4.4: the frame itself is not complete.
        frame(TEXT, KOSME + b"\xf4\x90", size=100),
    ],
)
async def test_6_4_fails_as_soon_as_it_is_invalid(play: Play, sent: bytes) -> None:
    """Not when the message is complete: it never will be."""
    answer = await play(sent, then_close=None)
    assert (answer.messages, answer.close_code) == ([], 1007)

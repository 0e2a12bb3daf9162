"""Coalescing, fragments, and what else `send` can be asked for: as frames on the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.servers.frames import BINARY, CLOSE, CONT, PING, TEXT, Frame
from tests.servers.upgrade import Stream, upgrading
from wscore import AsyncSession, AsyncWebSocket, CurlECode, CurlWsFlag, WebSocketError
from wscore.writing import join_neighbours

Wire = list[tuple[int, bytes, bool]]


@asynccontextmanager
async def recorded(**options: object) -> AsyncIterator[tuple[AsyncWebSocket, Wire]]:
    """A connection, and the frames the server got, complete after the block."""
    wire: Wire = []

    async def script(stream: Stream) -> None:
        wire.extend((f.opcode, f.payload, f.fin) for f in await stream.frames())

    async with upgrading(script) as url, AsyncSession() as session:
        async with session.ws_connect(url, **options) as ws:
            yield ws, wire


async def test_coalescing_joins_neighbours_of_one_kind() -> None:
    async with recorded(coalesce_frames=True) as (ws, wire):
        for text in ("a", "b", "c"):
            await ws.send_str(text)
        await ws.send_bytes(bytearray(b"1"))
        await ws.ping(b"p")
        await ws.send_bytes(b"2")
        assert ws.send_queue_size == 6
    assert wire == [
        (TEXT, b"abc", True),
        (BINARY, b"1", True),
        (PING, b"p", True),
        (BINARY, b"2", True),
    ]


async def test_coalescing_is_limited_by_the_batch_size() -> None:
    async with recorded(coalesce_frames=True, max_send_batch_size=2) as (ws, wire):
        for text in ("a", "b", "c"):
            await ws.send_str(text)
        await ws.flush(timeout=5)
        assert ws.send_queue_size == 0
        await ws.send_str("d")
    assert [payload for _, payload, _ in wire] == [b"ab", b"c", b"d"]


async def test_coalesced_messages_leave_by_themselves() -> None:
    """Nobody has to flush: they wait for the loop's next round only."""
    got = asyncio.Event()

    async def script(stream: Stream) -> None:
        assert (await stream.frame()).payload == b"ab"
        got.set()
        await stream.frames()

    async with upgrading(script) as url, AsyncSession() as session:
        async with session.ws_connect(url, coalesce_frames=True) as ws:
            await ws.send_str("a")
            await ws.send_str("b")
            await asyncio.wait_for(got.wait(), 5)


async def test_a_full_queue_of_coalesced_messages_lets_senders_wait() -> None:
    async with recorded(coalesce_frames=True, send_queue_size=4) as (ws, wire):
        for number in range(100):
            await ws.send(b"%d," % number, timeout=5)
    assert b"".join(p for _, p, _ in wire) == b"".join(b"%d," % n for n in range(100))


@pytest.mark.parametrize("coalesce", [False, True])
async def test_manual_fragments(coalesce: bool) -> None:
    """CONT says that more follows; an empty one in the middle is fine."""
    more = CurlWsFlag.TEXT | CurlWsFlag.CONT
    async with recorded(coalesce_frames=coalesce) as (ws, wire):
        await ws.send("a", more)
        await ws.send("", more)
        await ws.ping(b"between")
        await ws.send("b", CurlWsFlag.CONT)
        await ws.send("c", CurlWsFlag.TEXT)
        await ws.send("d", CurlWsFlag.TEXT)
    assert wire == [
        (TEXT, b"a", False),
        (CONT, b"", False),
        (PING, b"between", True),
        (CONT, b"b", False),
        (CONT, b"c", True),
        (TEXT, b"d", True),
    ]


async def test_long_messages_in_fragments() -> None:
    payload = bytes(range(256)) * 40
    async with recorded(max_frame_size=4096) as (ws, wire):
        await ws.send(payload)
        await ws.send(payload[:4096])
        await ws.send(memoryview(payload)[:5000], CurlWsFlag.BINARY | CurlWsFlag.CONT)
        await ws.send(b"")
    assert [(opcode, len(data), fin) for opcode, data, fin in wire] == [
        (BINARY, 4096, False),
        (CONT, 4096, False),
        (CONT, 2048, True),
        (BINARY, 4096, True),
        (BINARY, 4096, False),
        (CONT, 904, False),
        (CONT, 0, True),
    ]
    assert b"".join(data for _, data, _ in wire[:3]) == payload


async def test_text_is_sent_as_binary_unless_asked_and_json_without_spaces() -> None:
    async with recorded() as (ws, wire):
        await ws.send("ü")
        await ws.send_json({"a": [1, 2]})
        await ws.send_json(1, dumps=lambda value: b"<%d>" % value)
        await ws.send(memoryview(b"abcdef")[::2])
    assert wire == [
        (BINARY, "ü".encode(), True),
        (TEXT, b'{"a":[1,2]}', True),
        (TEXT, b"<1>", True),
        (BINARY, b"ace", True),
    ]


async def test_a_close_frame_can_be_sent_like_any_other() -> None:
    frames: list[Frame] = []

    async def script(stream: Stream) -> None:
        frames.append(await stream.frame())

    async with upgrading(script) as url, AsyncSession() as session:
        ws = await session.ws_connect(url)
        await ws.send((4001).to_bytes(2, "big") + b"bye", CurlWsFlag.CLOSE)
        assert ws.closed
        await ws.close()
    assert (frames[0].opcode, frames[0].payload) == (CLOSE, b"\x0f\xa1bye")


@pytest.mark.parametrize(
    ("payload", "flags", "code"),
    [
        (b"x" * 126, CurlWsFlag.PING, CurlECode.TOO_LARGE),
        (b"x" * 126, CurlWsFlag.CLOSE, CurlECode.TOO_LARGE),
        (b"", CurlWsFlag.CONT, CurlECode.BAD_FUNCTION_ARGUMENT),
        (b"", CurlWsFlag.OFFSET, CurlECode.BAD_FUNCTION_ARGUMENT),
    ],
)
async def test_what_cannot_be_sent(payload: bytes, flags: int, code: int) -> None:
    async with recorded() as (ws, wire):
        with pytest.raises(WebSocketError) as caught:
            await ws.send(payload, flags)
        assert caught.value.code == code
        assert ws.is_alive()
    assert wire == []


async def test_a_short_time_slice_only_takes_longer() -> None:
    """The rest is written in later rounds of the loop, in order."""
    payload = bytes(8 << 20)
    async with recorded(send_time_slice=0) as (ws, wire):
        await ws.send(payload)
        await ws.send(b"end")
        await ws.flush(timeout=5)
    assert [len(data) for _, data, _ in wire] == [len(payload), 3]


def test_neighbours() -> None:
    """Never across a control frame, a fragment, or the end of a fragmented message."""
    held = [
        (TEXT, b"a", False),
        (TEXT, b"b", True),
        (TEXT, b"c", True),
        (TEXT, b"d", True),
        (PING, b"", True),
        (TEXT, b"e", True),
        (BINARY, b"f", True),
    ]
    assert join_neighbours(list(held), 10) == [
        (TEXT, [b"a"], False),
        (TEXT, [b"b"], True),
        (TEXT, [b"c", b"d"], True),
        (PING, [b""], True),
        (TEXT, [b"e"], True),
        (BINARY, [b"f"], True),
    ]

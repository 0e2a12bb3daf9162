"""Recordings read without our reader, and a client that is not ours."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable

import pytest
from websockets.asyncio.client import ClientConnection

from ingest.recordings.bundled import bundled_recordings
from ingest.replay.library import Library, load

DEADLINE_S = 10.0

Messages = list[tuple[str, str]]  # (topic, payload), in the order recorded


def read_recording(file: str) -> Messages:
    """The data messages of a bundled file, by simple means of its own."""
    messages = []
    for line in gzip.decompress((bundled_recordings() / file).read_bytes()).decode().splitlines():
        payload = line.partition(" " if "hbt-" in file else ": ")[2]
        if not line[:1].isdigit():
            continue
        body = json.loads(payload)
        if "stream" in body:
            messages.append((body["stream"], payload))
        elif "arg" in body and "data" in body:
            messages.append((f"{body['arg']['channel']}:{body['arg']['instId']}", payload))
    return messages


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Messages]:
    """file → its messages; read once."""
    known: dict[str, Messages] = {}

    def read(file: str) -> Messages:
        if file not in known:
            known[file] = read_recording(file)
        return known[file]

    return read


@pytest.fixture(scope="session")
def library() -> Callable[..., Library]:
    """Sessions of the bundled recordings → the library of them; loaded once."""
    known: dict[tuple[str, ...], Library] = {}

    def get(*sessions: str) -> Library:
        if sessions not in known:
            known[sessions] = load([str(bundled_recordings() / session) for session in sessions])
        return known[sessions]

    return get


async def receive(ws: ClientConnection, count: int) -> list[str]:
    """The next *count* messages."""
    messages: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(messages) < count:
            message = await ws.recv()
            assert isinstance(message, str)
            messages.append(message)
    return messages


@pytest.fixture(name="receive")
def receive_fixture() -> Callable[..., object]:
    return receive


async def subscribe(ws: ClientConnection, topics: Iterable[str], request_id: int = 1) -> None:
    """Subscribe at Binance, and see the acknowledgement come first."""
    await ws.send(json.dumps({"method": "SUBSCRIBE", "params": list(topics), "id": request_id}))
    async with asyncio.timeout(DEADLINE_S):
        answer = await ws.recv()
    assert json.loads(answer) == {"result": None, "id": request_id}


@pytest.fixture(name="subscribe")
def subscribe_fixture() -> Callable[..., object]:
    return subscribe


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., object]:
    return until

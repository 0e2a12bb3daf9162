"""What passes between a feed and its connection is written down; the feed does not notice."""

from pathlib import Path
from typing import Any

import pytest

from ingest.feed.ports import FeedSocket
from ingest.record.tap import RecordingNetwork
from ingest.recordings.reader import find_files, read_file
from ingest.recordings.records import (
    Record,
    RestAnswer,
    VenueNamed,
    WsClosed,
    WsMessage,
    WsOpened,
    WsSent,
)
from ingest.recordings.writer import RecordingFiles
from wscore import Batch, CurlError, HttpResponse, WebSocketClosed


class Socket:
    """Gives these batches, then the end."""

    latency = None

    def __init__(self, *batches: Batch | Exception) -> None:
        self._batches = list(batches)
        self.sent: list[str] = []

    async def recv_batch(self) -> Batch:
        batch = self._batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch

    async def send_str(self, payload: str) -> None:
        self.sent.append(payload)

    async def close(self, code: int = 1000, *, timeout: float = 3.0) -> None:
        pass

    def terminate(self) -> None:
        pass


class Network:
    def __init__(self, outcome: Socket | HttpResponse | Exception) -> None:
        self._outcome = outcome

    async def ws_connect(self, url: str, **options: Any) -> FeedSocket:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        assert isinstance(self._outcome, Socket)
        return self._outcome

    async def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        assert isinstance(self._outcome, HttpResponse)
        return self._outcome


async def recorded(directory: Path, files: RecordingFiles) -> list[Record]:
    files.start()
    await files.close()
    return [record for path in find_files([directory]) for record in read_file(path)]


@pytest.fixture
def files(tmp_path: Path) -> RecordingFiles:
    return RecordingFiles(tmp_path, 0, rotate_bytes=1 << 30)


async def test_a_connection(tmp_path: Path, files: RecordingFiles) -> None:
    """Receive times are those of the read; text and binary are told apart."""
    batch = Batch([b"one", b"two", b"\xff"], 0, bytes([1, 1, 2]), [(1, 11), (3, 12)])
    closed = WebSocketClosed("closed: 1001", 1001, "maintenance")
    socket = Socket(batch, closed, closed)
    connector = RecordingNetwork(Network(socket), files.connection("x", "x-1"), "x-1")
    ws = await connector.ws_connect("wss://user:secret@example.com/")
    await ws.send_str("hello")
    assert await ws.recv_batch() is batch
    for _ in range(2):
        with pytest.raises(WebSocketClosed):
            await ws.recv_batch()

    named, opened, sent, *rest, end = await recorded(tmp_path, files)
    assert named == VenueNamed("x")
    assert socket.sent == ["hello"]
    assert isinstance(opened, WsOpened)
    assert "example.com/" in opened.url
    assert "secret" not in opened.url
    assert isinstance(sent, WsSent)
    assert sent.payload == b"hello"
    assert rest == [
        WsMessage(11, "x-1", b"one"),
        WsMessage(12, "x-1", b"two"),
        WsMessage(12, "x-1", b"\xff", binary=True),
    ]
    assert isinstance(end, WsClosed)
    assert (end.code, end.reason) == (1001, "maintenance")


async def test_a_connection_that_fails(tmp_path: Path, files: RecordingFiles) -> None:
    """There was no CLOSE: 1006, and what we know of it."""
    connector = RecordingNetwork(
        Network(Socket(CurlError("reset", 56))), files.connection("x", "x-1"), "x-1"
    )
    ws = await connector.ws_connect("wss://example.com/")
    with pytest.raises(CurlError):
        await ws.recv_batch()

    end = (await recorded(tmp_path, files))[-1]
    assert isinstance(end, WsClosed)
    assert (end.code, end.reason) == (1006, "reset")


async def test_an_attempt_that_fails_leaves_nothing(files: RecordingFiles) -> None:
    """There are no empty files."""
    connector = RecordingNetwork(
        Network(CurlError("refused", 7)), files.connection("x", "x-1"), "x-1"
    )
    with pytest.raises(CurlError):
        await connector.ws_connect("wss://example.com/")
    files.start()
    await files.close()

    assert files.paths == []


DEPTH = "https://api.example.com/api/v3/depth?symbol=BTCUSDT"


async def test_an_answer_over_rest(tmp_path: Path, files: RecordingFiles) -> None:
    """With the URL by which a replay finds it; one that is no text, too."""
    track = files.connection("x", "x-1")
    for body in (b'{"bids":[]}', b"\xff"):
        network = RecordingNetwork(Network(HttpResponse(200, body=body)), track, "x-1")
        assert (await network.request("GET", DEPTH)).body == body

    named, *answers = await recorded(tmp_path, files)
    assert named == VenueNamed("x")
    assert [(a.url, a.body) for a in answers if isinstance(a, RestAnswer)] == [
        (DEPTH, b'{"bids":[]}'),
        (DEPTH, b"\xff"),
    ]


@pytest.mark.parametrize(("method", "status"), [("GET", 429), ("GET", 302), ("POST", 200)])
async def test_an_answer_that_is_not_recorded(
    files: RecordingFiles, method: str, status: int
) -> None:
    """A refusal is none; what a POST asked for, a record cannot say."""
    network = RecordingNetwork(
        Network(HttpResponse(status, body=b"{}")), files.connection("x", "x-1"), "x-1"
    )
    assert (await network.request(method, DEPTH)).status == status
    files.start()
    await files.close()

    assert files.paths == []

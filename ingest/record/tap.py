"""What stands between a feed and the network, and writes down what passes.

The feed does not know: it opens, subscribes, answers and reconnects as it does in the
service, through the same code.
"""

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

from ingest.feed.ports import Connector, FeedSocket
from ingest.recordings.records import RestAnswer, WsClosed, WsMessage, WsOpened, WsSent
from ingest.recordings.writer import ConnectionFiles
from ingest.redact import redact_text
from ingest.rest import Requester
from wscore import Batch, CurlError, CurlWsFlag, HttpResponse, WebSocketClosed, WsCloseCode

_BINARY = int(CurlWsFlag.BINARY)
_ABNORMAL = 1006


class Network(Connector, Requester, Protocol):
    """Opens WebSockets and asks over HTTP; `AsyncSession` is one."""


class RecordingNetwork:
    """What one connection of the plan opens and asks for, all into its files."""

    def __init__(self, network: Network, files: ConnectionFiles, name: str) -> None:
        self._network = network
        self._files = files
        self._name = name

    def ws_connect(self, url: str, **options: Any) -> Awaitable[FeedSocket]:
        """Open one; a failed attempt leaves no record."""
        return _Opening(lambda: self._open(url, options))

    async def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        """Ask; the answer is recorded if it says what was asked for.

        What a POST asks for is in its body, for which a record has no place: so with
        the tickets that some venues give for one connection, which are not for a file.
        """
        answer = await self._network.request(method, url, **options)
        if answer.ok and method == "GET":
            self._files.add(RestAnswer(time.time_ns(), redact_text(url), answer.body))
        return answer

    async def _open(self, url: str, options: dict[str, Any]) -> FeedSocket:
        ws = await self._network.ws_connect(url, **options)
        self._files.add(WsOpened(time.time_ns(), self._name, redact_text(url)))
        return RecordedSocket(ws, self._files, self._name)


class _Opening(Awaitable[FeedSocket]):
    """Nothing happens before it is awaited, as with `AsyncSession.ws_connect`."""

    def __init__(self, start: Callable[[], Awaitable[FeedSocket]]) -> None:
        self._start = start

    def __await__(self) -> Generator[Any, None, FeedSocket]:
        return self._start().__await__()


class RecordedSocket:
    """An open WebSocket of which everything received, sent, and the end is recorded."""

    def __init__(self, ws: FeedSocket, files: ConnectionFiles, name: str) -> None:
        self._ws = ws
        self._files = files
        self._name = name
        self._ended = False

    @property
    def latency(self) -> float | None:
        return self._ws.latency

    async def recv_batch(self) -> Batch:
        try:
            batch = await self._ws.recv_batch()
        except CurlError as exc:
            self._end(exc)
            raise
        add, name, kind_of = self._files.add, self._name, batch.kind_of
        start = 0
        for end, rx in batch.reads:
            for index in range(start, end):
                is_binary = kind_of(index) == _BINARY
                add(WsMessage(rx, name, batch.messages[index], binary=is_binary))
            start = end
        return batch

    async def send_str(self, payload: str) -> None:
        # Before it is sent, or the answer could be in the file first.
        self._files.add(WsSent(time.time_ns(), self._name, payload.encode()))
        await self._ws.send_str(payload)

    async def close(self, code: int = WsCloseCode.OK, *, timeout: float = 3.0) -> None:
        await self._ws.close(code, timeout=timeout)

    def terminate(self) -> None:
        self._ws.terminate()

    def _end(self, error: CurlError) -> None:
        if self._ended:
            return
        self._ended = True
        code, reason = _ABNORMAL, str(error)
        if isinstance(error, WebSocketClosed) and error.code:
            code, reason = error.code, error.reason
        self._files.add(WsClosed(time.time_ns(), self._name, code, reason))

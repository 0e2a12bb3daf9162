"""An OKX that has books only, and leaves an update out when it is told to.

    python okx_books.py

A line `lose BTC-USDT` on standard input costs that book its next update. What it sees,
and at the end of a connection the last number of each book, is written to standard
output, one JSON object per line. It speaks OKX's protocol with code of its own.
"""

import asyncio
import contextlib
import json
import sys
from typing import Any

from tests.servers.scripted_venue import Connection, frame, say

_PERIOD_S = 0.01
_TEXT = 1
_to_lose: set[str] = set()


class Books(Connection):
    """One client. Each book's bid has the number of the update as its size."""

    def __init__(self, number: int, *streams: Any) -> None:
        super().__init__(number, *streams)
        self.seqs: dict[str, int] = {}  # of the books that are subscribed
        self.last: dict[str, int] = {}  # of all there ever were

    async def do_books(self) -> None:
        await self.do_handshake()
        while not self.gone.is_set():
            while not self.requests.empty():
                self._answer(self.requests.get_nowait())
            for book in self.seqs:
                self._send(book, "update")
            await self.writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), _PERIOD_S)
        say("gone", n=self.number, last=self.last)

    def _answer(self, request: dict[str, Any]) -> None:
        books = [arg["instId"] for arg in request["args"]]
        say("request", n=self.number, op=request["op"], books=books)
        for arg in request["args"]:
            assert arg["channel"] == "books"
            answer = {"id": request["id"], "event": request["op"], "arg": arg, "connId": "x"}
            self.writer.write(frame(_TEXT, json.dumps(answer).encode()))
            book = arg["instId"]
            if request["op"] == "unsubscribe":
                del self.seqs[book]
            else:
                assert book not in self.seqs
                self.seqs[book] = self.last.get(book, 100)
                self._send(book, "snapshot")

    def _send(self, book: str, action: str) -> None:
        before = self.seqs[book]
        seq = self.seqs[book] = self.last[book] = before + 1
        if action == "update" and book in _to_lose:
            _to_lose.discard(book)
            say("lost", book=book, seq=seq)
            return
        data = {
            **{"bids": [["10", str(seq), "0", "1"]], "asks": [], "ts": "1", "checksum": 0},
            **{"seqId": seq, "prevSeqId": -1 if action == "snapshot" else before},
        }
        arg = {"channel": "books", "instId": book}
        text = json.dumps({"arg": arg, "action": action, "data": [data]})
        self.writer.write(frame(_TEXT, text.encode()))


async def main() -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await Books(accepted, reader, writer).run([["books"]])

    def on_stdin() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin.fileno())
            ended.set()
        else:
            _to_lose.add(line.split()[1])

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), on_stdin)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    say("listening", port=server.sockets[0].getsockname()[1])
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())

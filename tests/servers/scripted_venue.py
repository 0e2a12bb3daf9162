"""A venue that does exactly what its script says, down to the bytes: mostly the wrong thing.

    python scripted_venue.py --script '[[["http", 503]], [["serve"]]]' [--port N]

The script has one list of steps per connection, in the order they come; the last one
is for all that follow. It speaks Binance's protocol with code of its own. What it
sees is written to standard output, one JSON object per line; a line on standard
input opens the next gate.

| step                      | does                                                        |
|---------------------------|-------------------------------------------------------------|
| `["http", 429, {…}]`      | reads the request, answers with that status and headers     |
| `["handshake"]`           | answers with a valid 101                                    |
| `["raw", "6162"]`         | sends these bytes (hex)                                     |
| `["ack", n]`              | awaits n SUBSCRIBE requests, then accepts them, last first  |
| `["refuse", "text"]`      | awaits one and refuses it                                   |
| `["ignore"]`              | awaits one and says nothing                                 |
| `["data", n]`             | sends n trades of every topic asked for, ids counting on    |
| `["text", "…"]`           | sends a text message                                        |
| `["fragments", n, size]`  | sends so many of a text message that never ends             |
| `["pings", n]`            | sends as many PINGs at once                                 |
| `["headers", n]`          | answers with headers without end, n lines of 1 KB           |
| `["close", code]`         | sends CLOSE and awaits the client's                         |
| `["fin"]` `["rst"]`       | ends the connection politely, or not                        |
| `["mute"]`                | answers no PING from here on                                |
| `["deaf"]`                | reads nothing from here on, no CLOSE either                 |
| `["stay"]`                | waits until the client goes                                 |
| `["gate"]`                | waits for a line on standard input                          |
| `["serve"]`               | handshake, accepts everything, a trade per topic every 10 ms |
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import struct
import sys
from collections import Counter
from typing import Any

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_trade_ids: Counter[str] = Counter()  # the last one sent, by topic
_gate = asyncio.Event()


def say(event: str, **values: Any) -> None:
    """Write what happened for the test to read."""
    print(json.dumps({"event": event, **values}), flush=True)


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 1 << 16:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + payload


def trade(topic: str) -> bytes:
    """The next trade of a topic `btcusdt@trade`; its price is its number."""
    _trade_ids[topic] += 1
    number = _trade_ids[topic]
    data = {
        **{"e": "trade", "E": 2, "s": topic.partition("@")[0].upper(), "t": number},
        **{"p": f"{number}.0", "q": "1", "T": 1, "m": False, "M": True},
    }
    return frame(_TEXT, json.dumps({"stream": topic, "data": data}).encode())


class Connection:
    """One client and the steps that are left for it."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.topics: list[str] = []
        self.requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.muted = False
        self.sent = 0  # trades
        self.pongs = 0
        self.asked = False
        self.listening: asyncio.Task[None] | None = None

    async def run(self, steps: list[list[Any]]) -> None:
        try:
            for name, *arguments in steps:
                await getattr(self, f"do_{name}")(*arguments)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.close()
            if self.listening is not None:
                self.listening.cancel()

    async def _head(self) -> bytes:
        """The client's request, read once."""
        if self.asked:
            return b""
        self.asked = True
        return await self.reader.readuntil(b"\r\n\r\n")

    async def do_http(self, status: int, headers: dict[str, str] | None = None) -> None:
        await self._head()
        lines = [f"HTTP/1.1 {status} No", "Content-Length: 0", "Connection: close"]
        lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def do_handshake(self) -> None:
        head = await self._head()
        key = next(
            line.partition(b":")[2].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        self.writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self.listening = asyncio.create_task(self._listen())

    async def do_raw(self, data: str) -> None:
        await self._head()
        self.writer.write(bytes.fromhex(data))
        await self.writer.drain()

    async def do_ack(self, count: int = 1) -> None:
        requests = [await self._request() for _ in range(count)]
        for request in reversed(requests):
            self._accept(request)

    async def do_refuse(self, text: str) -> None:
        request = await self._request()
        answer = {"error": {"code": 2, "msg": text}, "id": request["id"]}
        self.writer.write(frame(_TEXT, json.dumps(answer).encode()))

    async def do_ignore(self) -> None:
        await self._request()

    async def do_data(self, count: int) -> None:
        for _ in range(count):
            self.writer.write(b"".join(map(trade, self.topics)))
            self.sent += len(self.topics)
            await self.writer.drain()

    async def do_text(self, text: str) -> None:
        self.writer.write(frame(_TEXT, text.encode()))

    async def do_fragments(self, count: int, size: int) -> None:
        for number in range(count):
            part = bytearray(frame(0 if number else _TEXT, b" " * size))
            part[0] &= 0x7F
            self.writer.write(part)
            await self.writer.drain()

    async def do_pings(self, count: int) -> None:
        self.writer.write(frame(_PING, b"p" * 125) * count)
        await self.writer.drain()

    async def do_headers(self, count: int) -> None:
        await self._head()
        self.writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        for number in range(count):
            self.writer.write(b"X-%d: " % number + b"x" * 1000 + b"\r\n")
            await self.writer.drain()

    async def do_close(self, code: int) -> None:
        self.writer.write(frame(_CLOSE, code.to_bytes(2, "big")))
        await self.gone.wait()

    async def do_fin(self) -> None:
        await self.writer.drain()

    async def do_rst(self) -> None:
        await self.writer.drain()
        plain = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def do_mute(self) -> None:
        self.muted = True

    async def do_deaf(self) -> None:
        assert self.listening is not None
        self.listening.cancel()

    async def do_stay(self) -> None:
        if self.listening is None:  # not a WebSocket: read on until the client goes
            await self.reader.read()
        else:
            await self.gone.wait()

    async def do_gate(self) -> None:
        _gate.clear()
        say("gate", n=self.number)
        await _gate.wait()

    async def do_serve(self) -> None:
        await self.do_handshake()
        accepting = asyncio.create_task(self._accept_all())
        while not self.gone.is_set():
            await self.do_data(1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), 0.01)
        accepting.cancel()

    async def _accept_all(self) -> None:
        while True:
            self._accept(await self._request())

    async def _request(self) -> dict[str, Any]:
        request = await self.requests.get()
        say("request", n=self.number, topics=len(request["params"]))
        return request

    def _accept(self, request: dict[str, Any]) -> None:
        self.topics += request["params"]
        answer = {"result": None, "id": request["id"]}
        self.writer.write(frame(_TEXT, json.dumps(answer).encode()))

    async def _listen(self) -> None:
        try:
            while True:
                opcode, payload = await self._frame()
                if opcode == _TEXT:
                    self.requests.put_nowait(json.loads(payload))
                elif opcode == _PING and not self.muted:
                    self.writer.write(frame(_PONG, payload))
                elif opcode == _PONG:
                    self.pongs += 1
                elif opcode == _CLOSE:
                    code = int.from_bytes(payload[:2], "big")
                    say("close", n=self.number, code=code, sent=self.sent)
                    self.writer.write(frame(_CLOSE, payload[:2]))
                    break
        except (ConnectionError, asyncio.IncompleteReadError) as exc:
            say("lost", n=self.number, how=type(exc).__name__)
        self.gone.set()

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        size &= 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        mask = await self.reader.readexactly(4)
        masked = await self.reader.readexactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--script", required=True, type=json.loads)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        say("accepted", n=accepted)
        steps = arguments.script[min(accepted, len(arguments.script)) - 1]
        await Connection(accepted, reader, writer).run(steps)

    def on_stdin() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin.fileno())
            ended.set()
        _gate.set()

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), on_stdin)
    server = await asyncio.start_server(serve, "127.0.0.1", arguments.port, backlog=1000)
    say("listening", port=server.sockets[0].getsockname()[1])
    await ended.wait()  # the test is over, or has died


if __name__ == "__main__":
    asyncio.run(main())

"""A venue that sends trades at a given rate, each numbered, until its clients go.

    python firehose.py --rate 50000

Binance's protocol, by code of its own. Every topic of every connection gets an equal
share of the rate, its trades numbered from 1 on, whatever connection asks for it. A
line on standard input is answered with one on standard output: what was sent of each
topic. A client that does not read is waited for: nothing is skipped.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import struct
import sys
import time

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TICK_S = 0.005
_MOST_BEHIND_S = 0.25  # made up for after a stall; what is beyond is not
_sent: dict[str, int] = {}
_topics = 0  # of all connections


def say(event: str, **values: object) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def frame(payload: bytes) -> bytes:
    size = len(payload)
    head = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + struct.pack(">H", size)
    return head + payload


def trades(topic: str, first: int, count: int) -> bytes:
    """Return *count* trades of a topic `btcusdt@trade`; a price is its trade's number."""
    symbol = topic.partition("@")[0].upper()
    now_ms = time.time_ns() // 1_000_000
    payload = (
        f'{{"stream":"{topic}","data":{{"e":"trade","E":{now_ms},"s":"{symbol}","t":%d,'
        f'"p":"%d.00","q":"0.00100000","T":{now_ms},"m":false,"M":true}}}}'
    )
    return b"".join([frame((payload % (n, n)).encode()) for n in range(first, first + count)])


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return a client's message, of one frame, unmasked."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(size)
    return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(masked))


class Client:
    def __init__(self, rate: float, writer: asyncio.StreamWriter) -> None:
        self.rate = rate
        self.writer = writer
        self.topics: list[str] = []

    async def send(self) -> None:
        """Send until cancelled, at the share of the rate that our topics have."""
        began, due = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            passed, began = min(now - began, _MOST_BEHIND_S), now
            due += passed * self.rate / _topics
            count = int(due)
            due -= count
            if count:
                for topic in self.topics:
                    first = _sent[topic] + 1
                    _sent[topic] += count
                    self.writer.write(trades(topic, first, count))
                await self.writer.drain()


async def serve(rate: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global _topics
    request = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b":")[1].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    client = Client(rate, writer)
    sending: asyncio.Task[None] | None = None
    try:
        while True:
            opcode, payload = await read_frame(reader)
            if opcode == 8:
                if sending is not None:
                    sending.cancel()
                    await asyncio.wait([sending])
                writer.write(b"\x88\x02" + payload[:2])
                await writer.drain()
                say("closed", code=int.from_bytes(payload[:2], "big"))
                return
            if opcode == 9:
                writer.write(b"\x8a" + bytes([len(payload)]) + payload)
                continue
            if opcode != 1:
                continue
            asked = json.loads(payload)
            new = [topic for topic in asked["params"] if topic not in client.topics]
            client.topics += new
            _topics += len(new)
            for topic in new:
                _sent.setdefault(topic, 0)
            writer.write(frame(json.dumps({"result": None, "id": asked["id"]}).encode()))
            if sending is None:
                sending = asyncio.create_task(client.send())
    except (asyncio.IncompleteReadError, ConnectionError):
        say("lost")
    finally:
        _topics -= len(client.topics)
        if sending is not None:
            sending.cancel()
        writer.close()


async def main(port: int, rate: float) -> None:
    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(rate, reader, writer)

    server = await asyncio.start_server(on_client, "127.0.0.1", port)
    say("listening", port=server.sockets[0].getsockname()[1])
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        say("sent", topics=_sent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1000.0)
    options = parser.parse_args()
    asyncio.run(main(options.port, options.rate))

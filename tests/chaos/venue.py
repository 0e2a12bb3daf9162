"""A venue in Binance's dialect that numbers all it says, with the REST answers that go with it."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from tests.chaos.market import Instrument
from tests.chaos.proxy import write
from tests.servers.scripted_venue import frame

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_TICK_S = 0.01
# A client that does not read is cut off, as at any venue.
_MOST_UNREAD = 8 * 1024 * 1024

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Rates:
    """Messages a second, of each instrument."""

    def __init__(self, trades: float, quotes: float, updates: float) -> None:
        self.trades, self.quotes, self.updates = trades, quotes, updates


class Venue:
    """Serves until `stop`; `pause` stops the market, not the server."""

    def __init__(self, instruments: Iterable[Instrument], rates: Rates) -> None:
        self.instruments = {i.symbol: i for i in instruments}
        self.rates = rates
        self.burst = 1.0  # times as many messages
        self.rest = "ok"  # or a status, `garbage`, `cut`, `hang`
        self.rest_delay_s = 0.0
        self.paused = False
        self.sent = 0
        self.connections: dict[Writer, set[str]] = {}  # and the streams that each has
        self._server: asyncio.Server | None = None
        self._market: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._market = asyncio.create_task(self._trade())
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """End it all."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        if self._market is not None:
            tasks.append(self._market)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise what ended the market, if anything did."""
        if self._market is not None and self._market.done():
            self._market.result()

    def close_all(self, code: int) -> None:
        """Send CLOSE to everybody, as before maintenance."""
        for writer in self.connections:
            if not writer.transport.is_closing():
                writer.write(frame(_CLOSE, code.to_bytes(2, "big")))

    # -- the market ------------------------------------------------------------------

    async def _trade(self) -> None:
        loop = asyncio.get_running_loop()
        due = [0.0, 0.0, 0.0]
        then = loop.time()
        while True:
            await asyncio.sleep(_TICK_S)
            now = loop.time()
            # A machine that was busy has no burst to catch up with.
            elapsed, then = min(now - then, 0.1), now
            if self.paused:
                continue
            rates = (self.rates.trades, self.rates.quotes, self.rates.updates)
            numbers = []
            for kind, rate in enumerate(rates):
                due[kind] += rate * self.burst * elapsed
                numbers.append(int(due[kind]))
                due[kind] -= numbers[-1]
            for instrument in self.instruments.values():
                self._say(instrument, "trade", instrument.next_trade, numbers[0])
                self._say(instrument, "bookTicker", instrument.next_quote, numbers[1])
                self._say(instrument, "depth@100ms", instrument.next_update, numbers[2])

    def _say(self, instrument: Instrument, kind: str, make: object, number: int) -> None:
        assert callable(make)
        stream = f"{instrument.symbol.lower()}@{kind}"
        data = b"".join(frame(_TEXT, make()) for _ in range(number))
        for writer, streams in list(self.connections.items()):
            if stream not in streams or writer.transport.is_closing():
                continue
            if writer.transport.get_write_buffer_size() > _MOST_UNREAD:
                writer.transport.abort()
                continue
            writer.write(data)
            self.sent += number

    # -- connections -----------------------------------------------------------------

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:])
                }
                if "sec-websocket-key" in headers:
                    await self._websocket(reader, writer, headers["sec-websocket-key"])
                    return
                if not await self._answer(writer, path):
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except (ValueError, IndexError, KeyError):
            pass  # what came was damaged on its way
        except asyncio.CancelledError:
            pass  # by `stop`; the streams of Python 3.11 cannot bear it
        finally:
            self._tasks.discard(task)
            self.connections.pop(writer, None)
            writer.transport.abort()

    async def _answer(self, writer: Writer, path: str) -> bool:
        """Answer one request; False to hang up."""
        url = urlsplit(path)
        query = dict(parse_qsl(url.query))
        kind, status, body = self.rest, 200, self._body(url.path, query)
        await asyncio.sleep(self.rest_delay_s)
        if kind == "hang":
            await asyncio.sleep(3600)
        elif kind == "cut":
            write(writer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            write(writer, body[: len(body) // 2])
            await writer.drain()
            return False
        elif kind == "garbage":
            body = b"<html>" + os.urandom(16).hex().encode()
        elif kind != "ok":
            status, body = int(kind), b"{}"
        head = b"HTTP/1.1 %d Answer\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        write(writer, head % (status, len(body)) + body)
        await writer.drain()
        return True

    def _body(self, path: str, query: dict[str, str]) -> bytes:
        if path.endswith("/exchangeInfo"):
            listed = [_listed(each.name) for each in self.instruments.values()]
            return json.dumps({"symbols": listed}).encode()
        if path.endswith("/ticker/24hr"):
            return b"[]"
        instrument = self.instruments[query["symbol"]]
        if path.endswith("/depth"):
            return instrument.snapshot()
        return instrument.past_trades(int(query["fromId"]), int(query["limit"]))

    async def _websocket(self, reader: Reader, writer: Writer, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        write(writer, answer.encode())
        self.connections[writer] = set()
        while True:
            opcode, payload = await _read_frame(reader)
            if opcode == _CLOSE:
                write(writer, frame(_CLOSE, payload))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await writer.drain()
                return
            if opcode == _PING:
                write(writer, frame(_PONG, payload))
            elif opcode == _TEXT:
                self._request(writer, payload)

    def _request(self, writer: Writer, payload: bytes) -> None:
        request = json.loads(payload)
        streams = self.connections[writer]
        if request["method"] == "SUBSCRIBE":
            streams.update(request["params"])
        else:
            streams.difference_update(request["params"])
        answer = {"result": None, "id": request["id"]}
        write(writer, frame(_TEXT, json.dumps(answer).encode()))


def _listed(name: str) -> dict[str, str | list[str]]:
    base, quote = name.split("-")
    return {
        **{"symbol": base + quote, "baseAsset": base, "quoteAsset": quote},
        **{"filters": [], "status": "TRADING"},
    }


async def _read_frame(reader: Reader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(size)
    payload = bytes(byte ^ mask[i & 3] for i, byte in enumerate(masked))
    return first & 0x0F, payload

"""A Binance whose connections all see one market, and end when it likes: announced, or not.

    python shared_market.py --seed 1 --faults announce|none|die

Every few ms the market moves: a trade, an update of the book, a best price, a ticker, a
bar, each with the number of the move. Every connection is sent the same, some ms later
than another, as chance has it.

`announce`: a connection is told `serverShutdown` a second after its first subscription or
more, and closed with 1001 two seconds after that, whatever its client does. `die`: one
that has been subscribed for a moment is reset, ended, closed, stalled or loses a few of
its trades and books, but never while another one is not well.

What it sees and does is written to standard output, one JSON object per line. Standard
input's end is its end; a line `cut` resets the oldest connection.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
from typing import Any

from tests.servers.scripted_venue import Connection, frame, say

_PERIOD_S = 0.004
_CLOSE_S = 2.0  # after its announcement
_WELL_S = 1.0  # subscribed for so long, a connection can stand in for another
_TEXT, _CLOSE, _PING = 1, 8, 9


def message(topic: str, n: int) -> bytes:
    """What a topic `btcusdt@…` says of move n."""
    symbol, _, kind = topic.partition("@")
    data: dict[str, Any] = {"s": symbol.upper(), "E": n}
    match kind.partition("@")[0].partition("_")[0]:
        case "trade":
            data |= {"e": "trade", "t": n, "p": f"{n}.0", "q": "1", "T": n, "m": False}
        case "depth":
            last = 3 * n
            data |= {"U": last - 2, "u": last, "b": [[f"{n}.0", "1"]], "a": []}
        case "bookTicker":
            data |= {"u": n, "b": f"{n}", "B": "1", "a": f"{n + 1}", "A": "1"}
        case "ticker":
            data |= {"c": f"{n}", **dict.fromkeys("ohlvqbBaA", "1"), "n": n}
        case "kline":
            bar = {"t": 0, "T": 59_999, "x": False, **dict.fromkeys("ohlvq", "1")}
            data |= {"k": {**bar, "c": f"{n}", "n": n}}
        case _:
            raise AssertionError(topic)
    return frame(_TEXT, json.dumps({"stream": topic, "data": data}).encode())


class Market:
    """The moves, and who sees them."""

    def __init__(self, chance: random.Random, faults: str) -> None:
        self.chance = chance
        self.faults = faults
        self.n = 0
        self.clients: list[Client] = []

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD_S)
            self.n += 1
            for client in self.clients:
                client.see(self.n)
            if self.faults == "die" and self.chance.random() < 0.02:
                self.harm()

    def harm(self) -> None:
        """Do something to one of the connections, if another is well."""
        well = [client for client in list(self.clients) if client.is_well]
        if len(well) > 1:
            self.chance.choice(well).suffer()

    def book(self) -> bytes:
        """The whole book, for REST."""
        levels = [[f"{n}.0", "1"] for n in range(1, self.n + 1)]
        return json.dumps({"lastUpdateId": 3 * self.n, "bids": levels, "asks": []}).encode()


class Client(Connection):
    """One connection. `see` is when the market moves; its messages go out a little later."""

    def __init__(self, market: Market, number: int, *streams: Any) -> None:
        super().__init__(number, *streams)
        self.market = market
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.since: float | None = None  # of the first subscription
        self.harmed = self.stalled = False
        self.pinged = False
        self.to_lose = 0
        self.lag_s = 0.0

    @property
    def is_well(self) -> bool:
        """Its client has read what was sent until it had been subscribed for a while."""
        now = asyncio.get_running_loop().time()
        if self.harmed or self.since is None or now - self.since < _WELL_S:
            return False
        if not self.pinged:
            self.pinged, self.pongs = True, 0
            self.queue.put_nowait(frame(_PING, b""))
        return self.pongs > 0

    def see(self, n: int) -> None:
        for topic in self.topics:
            lossy = "@trade" in topic or "@depth" in topic
            if not (self.to_lose and lossy):
                self.queue.put_nowait(message(topic, n))
        self.to_lose = max(0, self.to_lose - 1)

    async def do_market(self) -> None:
        head = await self._head()
        self.asked = False
        if not head.lower().count(b"upgrade: websocket"):
            return await self._rest(head)
        self.reader = _Again(head, self.reader)  # type: ignore[assignment]
        await self.do_handshake()
        self.market.clients.append(self)
        tasks = [asyncio.create_task(work()) for work in (self._answer, self._send, self._live)]
        try:
            await self.gone.wait()
        finally:
            for task in tasks:
                task.cancel()
            if self in self.market.clients:
                self.market.clients.remove(self)
            say("gone", n=self.number)

    async def _rest(self, head: bytes) -> None:
        known = b" /api/v3/depth" in head
        body = self.market.book() if known else b"{}"
        status = b"200 OK" if known else b"404 Not Found"
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        self.writer.write(b"HTTP/1.1 " + status + b"\r\n" + length + body)
        await self.writer.drain()

    async def _answer(self) -> None:
        while True:
            request = await self._request()
            self.since = self.since or asyncio.get_running_loop().time()
            answer = {"result": None, "id": request["id"]}
            self.queue.put_nowait(frame(_TEXT, json.dumps(answer).encode()))
            self.topics += request["params"]  # what follows the answer is data

    async def _send(self) -> None:
        chance = self.market.chance
        while True:
            data = await self.queue.get()
            if chance.random() < 0.05:
                self.lag_s = chance.choice([0.0, 0.0, 0.005, 0.02])
                await asyncio.sleep(self.lag_s)
            while self.stalled:
                await asyncio.sleep(0.01)
            self.writer.write(data)
            if self.queue.empty():
                await self.writer.drain()

    async def _live(self) -> None:
        if self.market.faults != "announce":
            return
        while self.since is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0 + self.market.chance.random())
        say("announced", n=self.number)
        self.queue.put_nowait(frame(_TEXT, b'{"e":"serverShutdown","E":1}'))
        await asyncio.sleep(_CLOSE_S)
        say("forced", n=self.number)
        self.writer.write(frame(_CLOSE, (1001).to_bytes(2, "big")))

    def suffer(self) -> None:
        """Whatever comes to mind."""
        self.harmed = True
        how = self.market.chance.choice(["reset", "end", "close", "stall", "lose"])
        say("harmed", n=self.number, how=how)
        match how:
            case "lose":
                self.to_lose = self.market.chance.randint(1, 20)
                self._get_well(0.5)
            case "stall":
                self.stalled = True
                self._get_well(self.market.chance.choice([0.3, 1.0]))
            case "close":
                self.writer.write(frame(_CLOSE, (1001).to_bytes(2, "big")))
            case "reset":
                self.reset()
            case "end":
                self.writer.close()

    def reset(self) -> None:
        plain = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.close()

    def _get_well(self, after_s: float) -> None:
        def well() -> None:
            self.stalled = False
            # What it is behind by now, it brings first.
            self.since = asyncio.get_running_loop().time()
            self.harmed = self.pinged = False

        asyncio.get_running_loop().call_later(after_s, well)


class _Again:
    """A reader whose first request was read, and is read once more."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader) -> None:
        self._head = head
        self._reader = reader

    async def readuntil(self, _: bytes) -> bytes:
        return self._head

    async def readexactly(self, count: int) -> bytes:
        return await self._reader.readexactly(count)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--faults", choices=["none", "announce", "die"], required=True)
    arguments = parser.parse_args()
    market = Market(random.Random(arguments.seed), arguments.faults)
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        peer = writer.get_extra_info("peername")[0]
        say("accepted", n=accepted, peer=peer)
        with contextlib.suppress(ConnectionError):
            await Client(market, accepted, reader, writer).run([["market"]])

    def on_stdin() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin.fileno())
            ended.set()
        elif market.clients:
            market.clients[0].reset()

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), on_stdin)
    moving = asyncio.create_task(market.run())
    server = await asyncio.start_server(serve, "0.0.0.0", 0)  # all of 127/8
    say("listening", port=server.sockets[0].getsockname()[1])
    await ended.wait()  # the test is over, or has died
    moving.cancel()


if __name__ == "__main__":
    asyncio.run(main())

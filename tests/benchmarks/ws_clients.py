"""One client library under measurement, in a process of its own.

    python -m tests.benchmarks.ws_clients NAME [--cpu N]

Reads one JSON job a line from stdin, `{"what", "url", "count"}`, and answers with
one JSON line: what it cost. *what* is a way of receiving, or "echo". Every library
runs on uvloop, hands out each message as `bytes`, and checks nothing it does not
check by itself; the messages are binary.
"""

import argparse
import asyncio
import gc
import importlib
import json
import os
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

WARM_UP = 10  # one in so many messages is received before the clock starts
PAYLOAD = b"x"
BUSY_POLL_S = 0.001

Result = dict[str, float]


class Clock:
    """CPU and wall time of *count* messages, from `start` to `result`."""

    def __init__(self, count: int) -> None:
        self.count = count
        gc.collect()

    def start(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def result(self, received: int | None = None) -> Result:
        count = received or self.count
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        return {"cpu_us": cpu / count * 1e6, "rate": count / wall}


def no_checks() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def one_by_one(receive: Callable[[], Awaitable[Any]], count: int) -> Result:
    clock = Clock(count)
    for _ in range(count // WARM_UP):
        await receive()
    clock.start()
    for _ in range(count):
        await receive()
    return clock.result()


async def iterate(messages: Any, count: int) -> Result:
    clock = Clock(count)
    left = count // WARM_UP
    async for _ in messages:
        left -= 1
        if left <= 0:
            break
    clock.start()
    left = count
    async for _ in messages:
        left -= 1
        if left == 0:
            break
    return clock.result()


async def in_lists(receive: Callable[[], Awaitable[list[bytes]]], count: int) -> Result:
    clock = Clock(count)
    received = 0
    while received < count // WARM_UP:
        received += len(await receive())
    clock.start()
    received = 0
    while received < count:
        received += len(await receive())
    return clock.result(received)


async def ping_pong(
    send: Callable[[bytes], Awaitable[Any]], receive: Callable[[], Awaitable[Any]], job: Any
) -> Result:
    """Return round-trip percentiles in µs, and CPU a round trip."""
    payload = PAYLOAD * job["size"]
    times = []
    clock = Clock(job["count"])
    for _ in range(job["count"] // WARM_UP):
        await send(payload)
        await receive()
    clock.start()
    for _ in range(job["count"]):
        began = time.perf_counter_ns()
        await send(payload)
        await receive()
        times.append(time.perf_counter_ns() - began)
    times.sort()
    percentiles = {"p50": times[len(times) // 2] / 1e3, "p99": times[len(times) * 99 // 100] / 1e3}
    return clock.result() | percentiles


async def run_wscore(job: Any) -> Result:
    from wscore import AsyncSession

    session = AsyncSession(verify=False)
    spin = BUSY_POLL_S if job["what"] == "echo busy_poll" else 0.0
    async with session, session.ws_connect(job["url"], busy_poll=spin) as ws:
        match job["what"]:
            case "async for":
                result = await iterate(ws, job["count"])
            case "recv":
                result = await one_by_one(ws.recv, job["count"])
            case "recv_many":
                result = await in_lists(ws.recv_many, job["count"])
            case "recv_batch":

                async def receive() -> list[bytes]:
                    return (await ws.recv_batch()).messages

                result = await in_lists(receive, job["count"])
            case _:
                return await ping_pong(ws.send, ws.recv, job)
        ws.terminate()
        return result


async def run_picows(job: Any) -> Result:
    import picows

    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()
    count = job["count"]

    class Counting(picows.WSListener):  # type: ignore[misc]  # untyped
        def on_ws_connected(self, transport: Any) -> None:
            self.left = count // WARM_UP
            self.clock = Clock(count)
            self.warm = False

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            frame.get_payload_as_bytes()
            self.left -= 1
            if self.left == 0:
                if not self.warm:
                    self.warm, self.left = True, count
                    self.clock.start()
                elif not done.done():
                    done.set_result(self.clock.result())
                    transport.disconnect()

    class Echo(picows.WSListener):  # type: ignore[misc]  # untyped
        # No awaiting between a message and the next: its own way, and the fastest.
        def on_ws_connected(self, transport: Any) -> None:
            self.payload = PAYLOAD * job["size"]
            self.times: list[int] = []
            self.left = count // WARM_UP
            self.clock: Clock | None = None
            self.began = time.perf_counter_ns()
            transport.send(picows.WSMsgType.BINARY, self.payload)

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            frame.get_payload_as_bytes()
            self.times.append(time.perf_counter_ns() - self.began)
            self.left -= 1
            if self.left == 0 and self.clock is None:
                self.clock, self.left, self.times = Clock(count), count, []
                self.clock.start()
            elif self.left == 0 and self.clock is not None:
                times = sorted(self.times)
                result = self.clock.result()
                result["p50"] = times[len(times) // 2] / 1e3
                result["p99"] = times[len(times) * 99 // 100] / 1e3
                done.set_result(result)
                transport.disconnect()
                return
            self.began = time.perf_counter_ns()
            transport.send(picows.WSMsgType.BINARY, self.payload)

    secure = {"ssl_context": no_checks()} if job["url"].startswith("wss") else {}
    listener = Echo if job["what"] == "echo" else Counting
    transport, _ = await picows.ws_connect(listener, job["url"], **secure)
    result = await done
    await transport.wait_disconnected()
    return result


async def run_aiohttp(job: Any) -> Result:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(job["url"], ssl=no_checks(), max_msg_size=0)
        if job["what"] == "echo":
            return await ping_pong(ws.send_bytes, ws.receive, job)
        result = await iterate(ws, job["count"])
        # Its close() would read on, without end; this way the connector cuts it off.
        ws._response.close()
        return result


async def run_websockets(job: Any) -> Result:
    from websockets.asyncio.client import connect

    secure = {"ssl": no_checks()} if job["url"].startswith("wss") else {}
    async with connect(
        job["url"], compression=None, ping_interval=None, close_timeout=0.1, **secure
    ) as ws:
        if job["what"] == "echo":
            return await ping_pong(ws.send, ws.recv, job)
        result = await iterate(ws, job["count"])
        ws.transport.abort()
        return result


async def run_curl_cffi(job: Any) -> Result:
    from curl_cffi.requests import AsyncSession

    async with AsyncSession(verify=False) as session:
        ws = await session.ws_connect(job["url"])
        try:
            if job["what"] == "echo":
                return await ping_pong(ws.send, ws.recv, job)
            return await iterate(ws, job["count"])
        finally:
            ws.terminate()


CLIENTS: dict[str, Callable[[Any], Awaitable[Result]]] = {
    "wscore": run_wscore,
    "picows": run_picows,
    "aiohttp": run_aiohttp,
    "websockets": run_websockets,
    "curl_cffi": run_curl_cffi,
}
OWN_ECHOES = ("echo", "echo busy_poll")
OWN_WAYS = ("recv_many", "recv_batch", "async for", "recv")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CLIENTS)
    parser.add_argument("--cpu", type=int)
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    importlib.import_module(arguments.name)  # fails here, not in the first measurement
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        result = uvloop.run(CLIENTS[arguments.name](json.loads(line)))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

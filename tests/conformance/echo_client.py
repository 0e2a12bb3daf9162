"""Runs wscore against an Autobahn fuzzing server: echoes whatever each case sends.

    python tests/conformance/echo_client.py ws://127.0.0.1:9001 [case ...]

The server judges and writes its report. Start one with
`wstest -m fuzzingserver -s fuzzingserver.json`.
"""

import asyncio
import contextlib
import sys

from wscore import AsyncSession, AsyncWebSocket, CurlError, CurlWsFlag

AGENT = "wscore"
MAX_MESSAGE_SIZE = 64 * 1024 * 1024  # cases 9.* send 16 MiB


async def echo(ws: AsyncWebSocket) -> None:
    """Send every message back as it came, until the connection ends."""
    while True:
        payload, flags = await ws.recv()
        if flags & CurlWsFlag.CLOSE:
            return
        await ws.send(payload, flags)


async def run_case(session: AsyncSession, url: str, case: int) -> None:
    ws = await session.ws_connect(
        f"{url}/runCase?case={case}&agent={AGENT}",
        max_message_size=MAX_MESSAGE_SIZE,
        compression="deflate",
    )
    async with ws:
        # Many cases break the protocol; the server judges how we end.
        with contextlib.suppress(CurlError):
            await echo(ws)


async def ask(session: AsyncSession, url: str) -> str:
    async with session.ws_connect(url) as ws:
        return (await ws.recv())[0].decode()


async def main(url: str, cases: list[int]) -> None:
    async with AsyncSession(max_clients=2) as session:
        count = int(await ask(session, f"{url}/getCaseCount"))
        for case in cases or range(1, count + 1):
            await run_case(session, url, case)
        async with session.ws_connect(f"{url}/updateReports?agent={AGENT}") as ws:
            async for _ in ws:
                pass


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].rstrip("/"), [int(case) for case in sys.argv[2:]]))

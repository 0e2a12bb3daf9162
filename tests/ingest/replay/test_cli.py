"""`ingest replay` as a process."""

import asyncio
import json
import signal
import socket
import ssl
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from ingest.recordings.bundled import bundled_recordings
from ingest.replay.journal import read_journal

QUIET = str(bundled_recordings() / "binance/cf-20210814")
DEADLINE_S = 20


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ingest.replay",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def first_line(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
    assert line, (await process.communicate())[1].decode()
    return json.loads(line)


async def end(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_from_start_to_end(number, recording, receive, subscribe, tmp_path: Path) -> None:
    """One line when it serves, one with what happened at the end, nothing else; exit 0."""
    messages = recording("binance/cf-20210814/BINANCE.ws.1.0.gz")
    journal = tmp_path / "journal"
    process = await start(QUIET, "--speed", "max", "--journal", str(journal))
    info = await first_line(process)
    async with connect(info["urls"]["binance"]) as ws:
        await subscribe(ws, {topic for topic, _ in messages})
        assert await receive(ws, len(messages)) == [payload for _, payload in messages]
        process.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            await ws.wait_closed()
        assert ws.close_code == 1001
    code, out, err = await end(process)
    report = json.loads(out)

    assert code == 0
    assert info["messages"] == len(messages)
    assert info["topics"] == len({topic for topic, _ in messages})
    assert report["sent"] == len(messages)
    assert report["finished"]
    assert report["connections"] == 1
    assert "binance: 1003 messages" in err
    assert "Traceback" not in err
    assert [line.payload for line in read_journal(journal) if line.event == "sent"] == [
        payload for _, payload in messages
    ]


async def test_tls(subscribe) -> None:
    """With --tls a client that trusts the announced file connects, under either name."""
    process = await start(QUIET, "--tls")
    info = await first_line(process)
    context = ssl.create_default_context(cafile=info["ca"])
    # What Python 3.13 asks of certificates by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for url in (info["urls"]["binance"], info["urls"]["binance"].replace("127.0.0.1", "localhost")):
        assert url.startswith("wss://")
        # The server listens on IPv4 only, whatever "localhost" resolves to first.
        async with connect(url, ssl=context, family=socket.AF_INET) as ws:
            await subscribe(ws, ["ftmusdt@bookTicker"])
    process.terminate()

    assert (await end(process))[0] == 0
    assert not Path(info["ca"]).exists()


async def test_second_signal() -> None:
    """A client that does not answer our CLOSE is not waited for after a second signal."""
    process = await start(QUIET)
    info = await first_line(process)
    host, _, port = info["listen"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(DEADLINE_S):
        await reader.readuntil(b"\r\n\r\n")
        process.terminate()
        assert (await reader.readexactly(2))[0] == 0x88
    process.terminate()
    code, out, err = await end(process)
    writer.close()

    assert (code, out) == (1, "")
    assert "second signal" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such/place"], "no such file"),
        ([QUIET, "--speed", "0"], "not a speed"),
        ([QUIET, "--speed", "nan"], "not a speed"),
        ([QUIET, "--listen", "8080"], "not an address"),
        ([QUIET, "--cert", QUIET], "Invalid value for '--cert'"),
        ([f"okx={QUIET}"], "nothing to replay"),
    ],
)
async def test_bad_usage(arguments: list[str], message: str) -> None:
    """A mistake in the command is told in words, on stderr, with exit status 2."""
    code, out, err = await end(await start(*arguments))

    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


async def test_port_in_use() -> None:
    """A port that is taken is a fatal error: exit status 1, with the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = await end(await start(QUIET, "--listen", f"127.0.0.1:{port}"))

    assert (code, out) == (1, "")
    assert f"127.0.0.1:{port}" in err
    assert "Traceback" not in err


async def test_unwritable_journal(tmp_path: Path) -> None:
    """A journal that cannot be written is a fatal error too."""
    code, _, err = await end(await start(QUIET, "--journal", str(tmp_path / "no" / "journal")))

    assert code == 1
    assert "journal" in err
    assert "Traceback" not in err

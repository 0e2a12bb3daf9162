"""A REST interface that means harm: each answer costs bounded time and memory, and is an error."""

import asyncio
import contextlib
import gzip
import resource
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ingest.errors import RestError
from ingest.rest import RestClient
from ingest.venues.base import RestRequest
from tests.servers.certificates import self_signed

ASK = RestRequest(path="/")
DEADLINE_S = 30.0  # of a test; whatever is bounded by time is asked for less
OK = b"HTTP/1.1 200 OK\r\n"
MEBIBYTE = 2**20


@contextlib.asynccontextmanager
async def site(
    begin: bytes, again: bytes = b"", *, pause_s: float = 0.0, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """Answer with *begin*, then *again* for ever; yield the URL, and how much was sent."""
    sent = 0
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            while again:
                writer.write(again)
                sent += len(again)
                await writer.drain()
                await asyncio.sleep(pause_s)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if context is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{port}", lambda: sent
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()  # the client may keep its end
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def bomb(mebibytes: int) -> bytes:
    """A thousandth of what it becomes."""
    return gzip.compress(bytes(mebibytes * MEBIBYTE))


NEVER = b"Content-Length: 10000000000\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "10 GB announced": (OK + NEVER, bytes(MEBIBYTE), "larger than 2,097,152 bytes"),
    "no length, no end": (OK + b"\r\n", bytes(MEBIBYTE), "larger than 2,097,152 bytes"),
    "chunks without an end": (
        *(OK + CHUNKED, b"10000\r\n" + bytes(65536) + b"\r\n"),
        "larger than 2,097,152 bytes",
    ),
    "a length of more than 64 bits": (
        *(OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", bytes(MEBIBYTE)),
        "failed|larger than",
    ),
    "headers": (OK, b"X-Header: " + b"x" * 1000 + b"\r\n", "failed: "),
    "one header": (OK + b"X-Header: ", b"x" * 65536, "failed: "),
    "headers behind the body": (OK + CHUNKED + b"0\r\n", b"X-H: " + b"x" * 1000 + b"\r\n", ""),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, ""),
}


@pytest.mark.parametrize("fault", ENDLESS)
async def test_without_an_end(client: Callable[..., RestClient], fault: str) -> None:
    """Given up once it is too much, or at the deadline; nothing of it is kept."""
    begin, again, says = ENDLESS[fault]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.timeout(DEADLINE_S), site(begin, again) as (url, sent):
        with pytest.raises(RestError, match=f"binance GET /: .*(?:{says})"):
            await client(url, max_body_bytes=2 * MEBIBYTE).fetch(ASK, timeout_s=5.0)
        total = sent()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 200 * 1024, f"after {total:,} bytes"


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


GZIP = b"Content-Encoding: gzip"
WRONG = {
    "a decompression bomb": (answer(bomb(256), GZIP), "larger than"),
    "a bomb in a bomb": (answer(gzip.compress(bomb(256)), GZIP + b", gzip"), "larger than"),
    "encoded a hundred times": (answer(b"x", b"Content-Encoding: " + b"gzip, " * 100), "failed"),
    "gzip that is none": (answer(b"<html>", GZIP), "failed"),
    "chunks that are none": (OK + CHUNKED + b"<html></html>", "failed"),
    "a chunk of a negative size": (OK + CHUNKED + b"-1\r\nx", "failed"),
    "a chunk of 2^64": (OK + CHUNKED + b"10000000000000000\r\nx", "failed"),
    "shorter than it says": (OK + b"Content-Length: 100\r\n\r\nx", "failed"),
    "a negative length": (OK + b"Content-Length: -1\r\n\r\nx", "failed"),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", "failed"),
    "nothing at all": (b"", "failed"),
    "no HTTP": (b"220 mail.example.com ESMTP\r\n", "failed"),
    "HTTP/0.9": (b"{}", "failed"),
    "to a file": (
        answer(b"", b"Location: file:///etc/passwd", status=b"302 Found"),
        "answered 302",
    ),
    "to another host": (answer(b"", b"Location: //example.com/", status=b"301 No"), "answered 301"),
    "to itself": (answer(b"", b"Location: /", status=b"307 No"), "answered 307"),
    "to no TLS": (answer(b"", b"Location: http://127.0.0.1/", status=b"308 No"), "answered 308"),
    "a status that is none": (answer(b"", status=b"999 No"), "answered 999"),
    "words that colour a terminal": (answer(b"\x1b[31m" * 9, status=b"500 No"), "answered 500"),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_wrong(client: Callable[..., RestClient], fault: str) -> None:
    """An error that says what is wrong; nothing is followed."""
    said, says = WRONG[fault]
    async with asyncio.timeout(DEADLINE_S), site(said) as (url, _):
        with pytest.raises(RestError, match=f"binance GET /: .*{says}") as caught:
            await client(url, max_body_bytes=2 * MEBIBYTE).fetch(ASK)
    assert len(str(caught.value)) < 1000


async def test_a_drop_at_a_time(client: Callable[..., RestClient]) -> None:
    """The deadline is for the whole answer, however lively it seems."""
    async with asyncio.timeout(DEADLINE_S), site(OK + NEVER, b"x", pause_s=0.01) as (url, _):
        with pytest.raises(RestError, match=r"no whole answer within|not sent"):
            await client(url).fetch(ASK, timeout_s=0.5)


@pytest.mark.parametrize(
    "headers",
    [
        (b"Retry-After: 99999999999", b"X-Used-Weight: " + b"9" * 5000),
        (b"Retry-After: " + b"9" * 5000, b"X-Used-Weight: -1"),
        (b"Retry-After: 1e999", b"X-Used-Weight: NaN"),
        (b"Retry-After: Fri, 31 Dec 9999999 23:59:59 GMT", b"X-Used-Weight: \xff"),
    ],
)
async def test_numbers_in_headers(client: Callable[..., RestClient], headers: Any) -> None:
    """None can end the service; how long a venue can hold us back is bounded."""
    async with asyncio.timeout(DEADLINE_S):
        async with site(answer(b"{}", *headers)) as (url, _):
            assert await client(url).fetch(ASK) == b"{}"
        async with site(answer(b"{}", *headers, status=b"429 No")) as (url, _):
            with pytest.raises(RestError, match="answered 429"):
                await client(url).fetch(ASK)


async def test_a_certificate_that_nobody_vouches_for(
    client: Callable[..., RestClient], tmp_path: Any
) -> None:
    """Refused unless the config names it, or says that it does not matter."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with (
        asyncio.timeout(DEADLINE_S),
        site(answer(b"{}"), context=context) as (url, _),
    ):
        with pytest.raises(RestError, match="certificate"):
            await client(url).fetch(ASK)
        assert await client(url, verify=str(certificate)).fetch(ASK) == b"{}"

"""Impersonation: what the ClientHello on the wire looks like, and what is refused."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers.echo import echoing
from wscore import AsyncSession, CurlECode, CurlError, ExtraFingerprints
from wscore.fingerprint import extra_options, ja3_options
from wscore.provider import can_impersonate

pytestmark = pytest.mark.skipif(not can_impersonate(), reason="needs libcurl-impersonate")

_GREASE = {0x0A0A + 0x1010 * n for n in range(16)}


@dataclass
class ClientHello:
    """The parts that tell clients apart, without the random GREASE values."""

    ciphers: list[int]
    extensions: list[int]
    curves: list[int]
    greased: bool

    @classmethod
    def parse(cls, record: bytes) -> "ClientHello":
        """Source: RFC 8446, section 4.1.2."""
        assert record[0] == 0x16, "a handshake record"
        assert record[5] == 1, "a ClientHello"
        at = 5 + 4 + 2 + 32
        at += 1 + record[at]  # session id
        size = int.from_bytes(record[at : at + 2], "big")
        ciphers = _numbers(record[at + 2 : at + 2 + size])
        at += 2 + size
        at += 1 + record[at]  # compression methods
        end = at + 2 + int.from_bytes(record[at : at + 2], "big")
        at += 2
        extensions, curves = [], []
        while at < end:
            kind, size = _numbers(record[at : at + 4])
            if kind == 10:
                curves = _numbers(record[at + 6 : at + 4 + size])
            extensions.append(kind)
            at += 4 + size
        return cls(
            [item for item in ciphers if item not in _GREASE],
            [item for item in extensions if item not in _GREASE],
            [item for item in curves if item not in _GREASE],
            any(item in _GREASE for item in ciphers),
        )


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


async def hello(**options: Any) -> ClientHello:
    """What a server sees first from a client with these options."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(5)
        got.set_result(head + await reader.readexactly(int.from_bytes(head[3:5], "big")))
        writer.close()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    async with server, AsyncSession() as session:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CurlError):
            # A name, so that there is an SNI as there would be.
            await session.ws_connect(
                f"wss://venue.test:{port}/", dns={"venue.test": "127.0.0.1"}, **options
            )
    return ClientHello.parse(await got)


async def test_two_browsers_and_nobody_in_particular_all_differ() -> None:
    chrome, firefox, plain = [
        await hello(**options)
        for options in ({"impersonate": "chrome131"}, {"impersonate": "firefox144"}, {})
    ]
    assert chrome.greased
    assert not firefox.greased
    assert not plain.greased
    assert len({tuple(found.ciphers) for found in (chrome, firefox, plain)}) == 3
    assert {27, 65037} <= {*chrome.extensions}  # compressed certificates, ECH
    assert 28 in firefox.extensions  # record_size_limit
    assert not {27, 28, 65037} & {*plain.extensions}


@pytest.mark.parametrize("name", ["chrome", "edge", "firefox", "safari", "safari_ios", "tor"])
async def test_a_name_without_a_version_is_the_newest_known(name: str) -> None:
    assert (await hello(impersonate=name)).ciphers != (await hello()).ciphers


async def test_a_ja3_string_is_what_goes_out() -> None:
    ciphers = [4865, 4867, 4866, 49195, 49199, 52393]
    extensions = [0, 23, 65281, 10, 11, 35, 16, 5, 13, 18, 51, 45, 43]
    curves = [29, 23, 24]
    ja3 = ",".join(
        ["771", *("-".join(map(str, part)) for part in (ciphers, extensions, curves)), "0"]
    )
    found = await hello(ja3=ja3)
    assert found.ciphers == ciphers
    assert found.extensions == extensions
    assert found.curves == curves


async def test_single_traits() -> None:
    assert (await hello(extra_fp={"tls_grease": True})).greased
    assert 28 in (await hello(extra_fp=ExtraFingerprints(tls_record_size_limit=4001))).extensions
    assert 27 in (await hello(extra_fp={"tls_cert_compression": "brotli"})).extensions
    shuffled = [
        tuple((await hello(extra_fp={"tls_permute_extensions": True})).extensions) for _ in range(4)
    ]
    assert len(set(shuffled)) > 1


async def test_the_browser_s_headers_only_if_wanted() -> None:
    async with echoing() as echo, AsyncSession(impersonate="chrome131") as session:
        async with session.ws_connect(echo.url()):
            pass
        async with session.ws_connect(echo.url(), headers={"User-Agent": "mine"}):
            pass
        async with session.ws_connect(echo.url(), default_headers=False):
            pass
    assert "Chrome/131" in (echo.header("User-Agent", 0) or "")
    assert echo.requests[1].headers.get_all("User-Agent") == ["mine"]
    assert echo.header("User-Agent", 2) is None


async def test_what_is_about_http2_and_3_changes_nothing() -> None:
    akamai = "1:65536;4:6291456|15663105|0|m,a,s,p"
    found = await hello(akamai=akamai, perk="1:65536|m,a,s,p|x", http_version=3)
    assert found == await hello()


async def test_unknown_targets_are_named() -> None:
    async with AsyncSession(impersonate="mosaic") as session:
        with pytest.raises(CurlError, match="unknown impersonation target 'mosaic'"):
            await session.ws_connect("wss://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("ja3", "text"),
    [
        ("771,4865,0,29", "expected 5 fields"),
        ("771,x,0,29,0", "expected numbers"),
        ("770-771,4865,0,29,0", "expected numbers"),
        ("999,4865,0,29,0", "TLS version 999"),
        ("771,1,0,29,0", r"cipher 1 \(0x0001\)"),
        ("771,4865,0,1,0", "curve 1"),
        ("771,4865,0,29,1", "point format"),
    ],
)
def test_ja3_strings_that_cannot_be_had(ja3: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ja3_options(ja3)


def test_ja3_order_is_left_to_chance_if_permuted() -> None:
    names = [name for name, _ in ja3_options("771,4865,0-10-21,29,0", permute=True)]
    assert "TLS_EXTENSION_ORDER" not in names
    assert ("TLS_EXTENSION_ORDER", "0-10") in ja3_options("771,4865,0-10-21,29,0")


def test_traits_are_known_by_name() -> None:
    with pytest.raises(TypeError):
        extra_options({"tls_colour": "blue"})
    assert extra_options({"http2_stream_weight": 256}) == []


async def test_a_plain_libcurl_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        def __getattr__(self, name: str) -> Any:
            from ffi import lib

            return (lambda _: 0) if name == "ws_easy_option_named" else getattr(lib, name)

    monkeypatch.setattr("wscore.easy.lib", Plain())
    async with AsyncSession(extra_fp={"tls_grease": True}) as session:
        with pytest.raises(CurlError, match="no option TLS_GREASE; libcurl-impersonate"):
            await session.ws_connect("wss://127.0.0.1:1/")
    assert CurlECode.UNKNOWN_OPTION == 48

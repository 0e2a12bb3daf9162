"""`cert` and `verify`, with a server that insists on knowing its clients."""

import ssl
from pathlib import Path

import pytest

from tests.servers.certificates import self_signed
from tests.servers.echo import echoing
from wscore import AsyncSession, CurlECode, CurlError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "client"):
        self_signed(folder, name)
    return folder


@pytest.fixture
def tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "client.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    # With TLS 1.3 a client learns only after its handshake that it was not let in.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("files", [("client.crt", "client.key"), "client.pem"])
async def test_it_is_shown(folder: Path, tls: ssl.SSLContext, files: str | tuple[str, str]) -> None:
    """One file with both, or one for each."""
    cert: str | tuple[str, str]
    if isinstance(files, str):
        cert = str(folder / files)
    else:
        cert = str(folder / files[0]), str(folder / files[1])
    async with echoing(tls=tls) as echo, AsyncSession(cert=cert) as session:
        async with session.ws_connect(echo.url(), verify=str(folder / "server.crt")) as ws:
            await ws.send_str("it is me")
            assert await ws.recv_str(timeout=5) == "it is me"


async def test_without_one_nobody_comes_in(folder: Path, tls: ssl.SSLContext) -> None:
    async with echoing(tls=tls) as echo, AsyncSession(verify=False) as session:
        with pytest.raises(CurlError):
            await session.ws_connect(echo.url())


async def test_one_that_is_not_there(folder: Path, tls: ssl.SSLContext) -> None:
    async with echoing(tls=tls) as echo, AsyncSession(verify=False) as session:
        with pytest.raises(CurlError) as caught:
            await session.ws_connect(echo.url(), cert=str(folder / "nobody.pem"))
    assert caught.value.code == CurlECode.SSL_CERTPROBLEM

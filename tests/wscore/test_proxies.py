"""Through real proxies, over ws and wss; and which one is chosen."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.certificates import self_signed
from tests.servers.echo import Echo, echoing
from tests.servers.proxies import http_proxy, socks4_proxy, socks5_proxy
from wscore import AsyncSession, CurlECode, CurlError
from wscore.proxies import proxy_for


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy of the environment that nobody may use unasked."""
    for name in ("ws_proxy", "wss_proxy", "all_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield


async def talk(session: AsyncSession, echo: Echo, host: str = "127.0.0.1") -> None:
    async with session.ws_connect(echo.url(host=host)) as ws:
        await ws.send_str("through")
        assert await ws.recv_str(timeout=5) == "through"


@pytest.mark.parametrize("secure", [False, True])
async def test_http_connect(secure: bool, tls: ssl.SSLContext) -> None:
    """A tunnel for ws as for wss; the handshake's headers are not the proxy's to see."""
    async with echoing(tls=tls if secure else None) as echo, http_proxy() as proxy:
        headers = {"X-Secret": "1"}
        async with AsyncSession(proxy=proxy.url, verify=False, headers=headers) as session:
            await talk(session, echo)
    assert proxy.targets == [f"127.0.0.1:{echo.port}"]
    assert b"x-secret" not in proxy.requests[0].lower()
    assert echo.header("X-Secret") == "1"


async def test_https_proxy(tls: ssl.SSLContext, certificate: Path) -> None:
    """The way to the proxy is encrypted, and its certificate is checked."""
    async with echoing() as echo, http_proxy(tls=tls) as proxy:
        async with AsyncSession(proxy=proxy.url, verify=str(certificate)) as session:
            await talk(session, echo)
        async with AsyncSession(proxy=proxy.url) as session:
            with pytest.raises(CurlError) as caught:
                await talk(session, echo)
    assert caught.value.code == CurlECode.PEER_FAILED_VERIFICATION
    assert proxy.targets == [f"127.0.0.1:{echo.port}"]


@pytest.mark.parametrize("how", ["proxy_auth", "url"])
async def test_passwords(how: str) -> None:
    async with echoing() as echo, http_proxy(password="u:p") as proxy:
        if how == "proxy_auth":
            session = AsyncSession(proxies={"ws": proxy.url}, proxy_auth=("u", "p"))
        else:
            session = AsyncSession(proxies={"ws": proxy.url.replace("//", "//u:p@")})
        async with session:
            await talk(session, echo)
        async with AsyncSession(proxy=proxy.url) as session:
            with pytest.raises(CurlError, match="407"):
                await talk(session, echo)
    assert proxy.credentials == ["u:p"]


@pytest.mark.parametrize(
    ("scheme", "resolves"),
    [("socks4", False), ("socks4a", True), ("socks5", False), ("socks5h", True)],
)
async def test_socks(scheme: str, resolves: bool) -> None:
    """With 4a and 5h names are the proxy's to resolve."""
    host = "venue.test" if resolves else "127.0.0.1"
    server = socks4_proxy(scheme) if scheme.startswith("socks4") else socks5_proxy(scheme)
    async with echoing() as echo, server as proxy:
        async with AsyncSession(proxy=proxy.url) as session:
            await talk(session, echo, host)
    assert proxy.targets == [f"{host}:{echo.port}"]


async def test_socks5_passwords() -> None:
    async with echoing() as echo, socks5_proxy(password="u:p") as proxy:
        async with AsyncSession(proxy=proxy.url, proxy_auth=("u", "p")) as session:
            await talk(session, echo)
    assert proxy.credentials == ["u:p"]


async def test_the_environment_s_proxy_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy")
    async with echoing() as echo, http_proxy() as proxy:
        monkeypatch.setenv("ws_proxy", proxy.url)
        async with AsyncSession() as session:
            await talk(session, echo)
            assert proxy.targets == []
        # libcurl tunnels through a proxy of the environment as well.
        async with AsyncSession(trust_env=True) as session:
            await talk(session, echo)
    assert proxy.targets == [f"127.0.0.1:{echo.port}"]


@pytest.mark.parametrize(
    ("url", "proxies", "chosen"),
    [
        ("ws://h/", None, None),
        ("ws://h/", {"http": "http://a", "https": "http://a"}, None),
        ("ws://h/", {"ws": "http://a", "all": "http://b"}, "http://a"),
        ("wss://h/", {"ws": "http://a", "all": "http://b"}, "http://b"),
        ("ws://h/", {"ws://h": "http://c", "ws": "http://a"}, "http://c"),
        ("ws://h/", {"all://h": "h:1", "ws": "http://a"}, "h:1"),
        ("ws://h/", {"ws": None, "all": "http://b"}, None),
    ],
)
def test_which(url: str, proxies: dict[str, str | None] | None, chosen: str | None) -> None:
    assert proxy_for(url, proxies) == chosen


def test_what_is_no_proxy() -> None:
    with pytest.raises(CurlError, match="one of http, https, socks4"):
        proxy_for("ws://h/", {"all": "ftp://a"})

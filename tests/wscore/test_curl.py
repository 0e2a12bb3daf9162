"""`Curl`, the handle for those who want one thing more."""

import pytest

from tests.servers.echo import echoing
from wscore import AsyncSession, Curl, CurlECode, CurlError, CurlInfo, CurlOpt


def test_options_and_infos() -> None:
    with Curl() as curl:
        curl.setopts({CurlOpt.URL: "ws://127.0.0.1:1/", CurlOpt.CONNECT_ONLY: 2})
        with pytest.raises(CurlError) as caught:
            curl.perform()
        assert caught.value.code == CurlECode.COULDNT_CONNECT
        assert curl.getinfo(CurlInfo.EFFECTIVE_URL) == "ws://127.0.0.1:1/"
        assert curl.getinfo(CurlInfo.RESPONSE_CODE) == 0
        assert isinstance(curl.getinfo(CurlInfo.TOTAL_TIME), float)
        assert isinstance(curl.getinfo(CurlInfo.TOTAL_TIME_T), int)
        assert curl.getinfo(CurlInfo.CONTENT_TYPE) is None
        assert curl.getinfo(CurlInfo.ACTIVESOCKET) == -1
        for info in (CurlInfo.CERTINFO, 0x20FFFF):
            with pytest.raises(CurlError):
                curl.getinfo(info)
        with pytest.raises(TypeError):
            curl.setopt(CurlOpt.URL, 1)
    assert curl.closed
    curl.close()
    with pytest.raises(CurlError, match="closed"):
        curl.getinfo(CurlInfo.RESPONSE_CODE)


async def test_a_websocket_s_handle_is_shown_not_given() -> None:
    async with echoing() as echo, AsyncSession() as session:
        async with session.ws_connect(echo.url()) as ws:
            assert ws.curl.getinfo(CurlInfo.RESPONSE_CODE) == 101
            assert ws.curl.getinfo(CurlInfo.ACTIVESOCKET) != -1
            with pytest.raises(CurlError, match="belongs to a WebSocket"):
                ws.curl.close()
            assert ws.is_alive()
        assert ws.curl.closed
        ws.curl.close()


def test_the_version_is_told() -> None:
    assert int(Curl.version().split(".")[0]) >= 8

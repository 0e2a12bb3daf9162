"""websocket-client's option names, turned into ours."""

import ssl
from typing import Any

import pytest

from wscore import CurlOpt
from wscore.sync.compat import header_dict, translate


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {}),
        ({"compression": "deflate", "timeout": 3}, {"compression": "deflate", "timeout": 3}),
        ({"header": {"A": "1"}, "cookie": "c=d"}, {"headers": {"A": "1", "Cookie": "c=d"}}),
        ({"header": ["A: b: c"], "headers": {"X": "y"}}, {"headers": {"X": "y", "A": "b: c"}}),
        ({"host": "h", "origin": "o"}, {"headers": {"Host": "h", "Origin": "o"}}),
        ({"suppress_origin": True, "enable_multithread": True, "sockopt": ()}, {}),
        ({"fire_cont_frame": False}, {}),
        ({"cookie": None, "header": None, "sslopt": None, "http_proxy_host": None}, {}),
        ({"sslopt": {"cert_reqs": ssl.CERT_NONE, "ca_certs": "f"}}, {"verify": False}),
        ({"sslopt": {"ca_certs": "f"}}, {"verify": "f"}),
        (
            {"sslopt": {"check_hostname": False, "certfile": "c", "keyfile": "k"}},
            {
                "curl_options": {
                    CurlOpt.SSL_VERIFYHOST: 0,
                    CurlOpt.SSLCERT: "c",
                    CurlOpt.SSLKEY: "k",
                }
            },
        ),
        (
            {
                "http_proxy_host": "p",
                "http_proxy_port": "8080",
                "http_proxy_auth": ("u@x", "p:w"),
                "http_no_proxy": ["a", "b"],
            },
            {"proxy": "http://u%40x:p%3Aw@p:8080", "curl_options": {CurlOpt.NOPROXY: "a,b"}},
        ),
        ({"http_proxy_host": "p", "proxy_type": "socks5h"}, {"proxy": "socks5h://p:80"}),
    ],
)
def test_translation(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert translate(theirs) == ours


@pytest.mark.parametrize(
    "theirs",
    [
        {"sockopt": [(1, 2, 3)]},
        {"sslopt": {"ciphers": "x"}},
        {"header": ["no colon"]},
        {"fire_cont_frame": True},
    ],
)
def test_what_cannot_be_done_is_not_ignored(theirs: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        translate(theirs)


def test_headers_are_copied() -> None:
    given = {"A": "1"}
    assert header_dict(given) == given
    assert header_dict(given) is not given

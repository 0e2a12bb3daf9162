"""What `recv_fragment` and `on_data` say of the bytes they hand over."""

from typing import NamedTuple


class CurlWsFrame(NamedTuple):
    """The fields of libcurl's `curl_ws_frame`.

    Messages are put together before they are handed over, so that a fragment is
    always a whole one: `offset` and `bytesleft` are 0.
    """

    flags: int
    len: int
    age: int = 0
    offset: int = 0
    bytesleft: int = 0

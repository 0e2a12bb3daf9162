"""`create_connection`."""

from typing import Any

from wscore.sync.compat import translate
from wscore.sync.websocket import WebSocket


def create_connection(
    url: str, timeout: float | None = None, class_: type[WebSocket] = WebSocket, **options: Any
) -> WebSocket:
    """Return an open WebSocket.

    *timeout*: seconds for the handshake, and for each later call that is not given
    one of its own. Takes what `WebSocket.connect` takes, and the names that
    websocket-client has for it: `header` (dict, or lines), `cookie`, `host`, `origin`,
    `sslopt`, `http_proxy_host` and so on.

    Raises:
        ValueError: an option asks for something that libcurl does not do.
        CurlError: as `WebSocket.connect`.
    """
    settings = translate(options)
    socket = class_()
    socket.settimeout(timeout)
    if timeout is not None:
        settings["timeout"] = timeout
    return socket.connect(url, **settings)

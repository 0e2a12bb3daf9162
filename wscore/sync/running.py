"""Receives on the calling thread and calls the callbacks of a `WebSocket`."""

from typing import TYPE_CHECKING

from wscore.codes import CurlWsFlag, WsCloseCode
from wscore.errors import CurlError, WebSocketClosed
from wscore.sync.callbacks import Callbacks
from wscore.sync.fragment import CurlWsFrame
from wscore.sync.link import Link

if TYPE_CHECKING:
    from wscore.sync.websocket import WebSocket

_TEXT, _CLOSE = int(CurlWsFlag.TEXT), int(CurlWsFlag.CLOSE)


def run(ws: "WebSocket", link: Link, callbacks: Callbacks, *, decode: bool) -> None:
    """From `on_open` to `on_close`; see `WebSocket.run_forever`.

    *link* is the connection of *ws* now. *decode*: text messages are handed over as str.

    Raises:
        CurlError: the connection failed; `on_error` has been told.
    """
    ws.keep_running = True
    try:
        callbacks.call("on_open")
        _receive_all(ws, link, callbacks, decode=decode)
    except CurlError as error:
        callbacks.call("on_error", error)
        raise
    finally:
        ws.keep_running = False
        if not link.closed:  # Ctrl-C, or the like
            ws.close(WsCloseCode.GOING_AWAY)
        link.join()
        code = link.closing.code or WsCloseCode.NO_STATUS_RECEIVED
        callbacks.call("on_close", int(code), link.closing.reason or "")


def _receive_all(ws: "WebSocket", link: Link, callbacks: Callbacks, *, decode: bool) -> None:
    while ws.keep_running:
        try:
            payload, flags = link.take(link.inbox.take_one, None)
        except WebSocketClosed:
            if link.failure is not None and ws.keep_running:
                raise
            return  # closed by ourselves
        callbacks.call("on_data", payload, CurlWsFrame(flags, len(payload)))
        if flags == _CLOSE:
            return
        text = decode and flags == _TEXT
        callbacks.call("on_message", payload.decode() if text else payload)
    ws.close()

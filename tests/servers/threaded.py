"""A WebSocket server on blocking sockets that does exactly what a test tells it."""

import contextlib
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.servers.frames import CLOSE, Frame, accept_for, close_frame, frame, parse_one

DEADLINE_S = 10.0

Script = Callable[["Peer"], None]


class Peer:
    """The server's side of one connection; `number` counts them from 1."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.request = ""
        self._unparsed = b""

    def read_request(self) -> dict[str, str]:
        """Read the opening handshake. Return its headers, names in lower case."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError("no request")
            data += more
        self.request = data.decode()
        pairs = (line.partition(":") for line in self.request.split("\r\n")[1:] if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def accept(self, *, glued: bytes = b"", headers: str = "") -> dict[str, str]:
        """Answer with a 101, *glued* right behind it in the same write."""
        request = self.read_request()
        reply = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_for(request['sec-websocket-key'])}\r\n{headers}\r\n"
        )
        self.send(reply.encode() + glued)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> None:
        self.send(frame(opcode, payload, fin=fin))

    def frame(self) -> Frame:
        """The client's next frame."""
        while (parsed := parse_one(self._unparsed)) is None:
            data = self.sock.recv(1 << 20)
            if not data:
                raise EOFError("the client is gone")
            self._unparsed += data
        self._unparsed = self._unparsed[parsed[1] :]
        assert parsed[0].masked, "a client must mask its frames"
        return parsed[0]

    def close_frame(self) -> Frame:
        """The client's CLOSE, whatever comes before it."""
        while (got := self.frame()).opcode != CLOSE:
            pass
        return got

    def close_code(self) -> int:
        return int.from_bytes(self.close_frame().payload[:2], "big")

    def answer_close(self) -> int:
        """Wait for the client's CLOSE, answer it and end the stream. Return its code."""
        code = self.close_code()
        self.send(close_frame(code))
        self.end()
        return code

    def close(self, code: int, reason: bytes = b"") -> int:
        """Say CLOSE, await the answer and end the stream. Return the answer's code."""
        self.send(close_frame(code, reason))
        answer = self.close_code()
        self.end()
        return answer

    def end(self) -> None:
        self.sock.close()

    def end_of_stream(self) -> None:
        """Wait until the client is gone, whatever it still sends."""
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(1 << 20):
                pass

    def reset(self) -> None:
        """End the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class ThreadServer:
    """Runs a script per connection, on threads; a script that failed fails the test.

    `with ThreadServer(script) as server`: connect to `server.url`. Leaving waits for
    the scripts.
    """

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        failed_handshakes: bool = False,
    ) -> None:
        """*failed_handshakes*: a client that breaks off the TLS handshake is meant to."""
        self._script = script
        self._tls = tls
        self._expected: tuple[type[Exception], ...] = (
            (ssl.SSLError, ConnectionError) if failed_handshakes else ()
        )
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self.connections = 0

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{port}/"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._socket.close()
        for thread in self._threads:
            thread.join(0 if exc is not None else DEADLINE_S)
            assert exc is not None or not thread.is_alive(), "the server's script did not end"
        if exc is None and self._errors:
            raise self._errors[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(DEADLINE_S)
        try:
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except self._expected:
                    return
            self._script(Peer(sock, number))
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            self._errors.append(error)
        finally:
            sock.close()


def ctrl_c() -> None:
    """Interrupt the main thread as the keyboard does: in the middle of a blocking call."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def echo(peer: Peer) -> None:
    """A script: send everything back, CLOSE too, then end."""
    peer.accept()
    while (got := peer.frame()).opcode != CLOSE:
        if got.opcode in (0x1, 0x2):
            peer.send_frame(got.opcode, got.payload)
        elif got.opcode == 0x9:
            peer.send_frame(0xA, got.payload)
    peer.send_frame(CLOSE, got.payload)

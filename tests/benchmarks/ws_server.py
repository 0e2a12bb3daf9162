"""The servers of `scripts/bench ws`: plain threads and sockets, cheap enough not to be measured.

    python -m tests.benchmarks.ws_server [--cpu N]

Prints one JSON line with its URLs and serves until its stdin closes. Paths:
`/blast?size=N`: binary messages of N bytes without end, in large prebuilt writes.
`/echo?size=N`: a prebuilt message of N bytes for each message of N bytes received.
`/idle`: nothing.
"""

import argparse
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.servers.frames import BINARY, CLOSE, accept_for, frame

WRITE_BYTES = 1 << 20
CLIENT_HEADER = 14  # longest; ours are 6, 8 or 14 bytes


def client_frame_size(payload: int) -> int:
    """Return the length of a masked frame."""
    return payload + 6 + (0 if payload < 126 else 2 if payload < 1 << 16 else 8)


def receive_request(sock: socket.socket) -> tuple[str, str]:
    """Return the path and the Sec-WebSocket-Key."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(65536)):
            raise ConnectionError("no request")
        data += more
    first, *rest = data.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in rest)}
    return first.split(" ")[1], headers["sec-websocket-key"]


def serve(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError, ConnectionError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        with sock:
            path, key = receive_request(sock)
            lines = ["Upgrade: websocket", "Connection: Upgrade"]
            lines.append(f"Sec-WebSocket-Accept: {accept_for(key)}")
            reply = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""])
            sock.sendall(reply.encode())
            url = urlsplit(path)
            size = int(parse_qs(url.query).get("size", ["0"])[0])
            {"/blast": blast, "/echo": echo, "/idle": idle}[url.path](sock, size)


def blast(sock: socket.socket, size: int) -> None:
    one = frame(BINARY, b"x" * size)
    data = one * max(1, WRITE_BYTES // len(one))
    while True:
        sock.sendall(data)


def echo(sock: socket.socket, size: int) -> None:
    answer = frame(BINARY, b"x" * size)
    expected = client_frame_size(size)
    buffer = bytearray(expected)
    while True:
        have = 0
        while have < expected:
            got = sock.recv_into(memoryview(buffer)[have:])
            if not got or buffer[0] & 0xF == CLOSE:
                return
            have += got
        sock.sendall(answer)


def idle(sock: socket.socket, size: int) -> None:
    while sock.recv(1024):
        pass


def certificate(folder: Path) -> ssl.SSLContext:
    key, pem = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", pem),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context


def accept_on(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, context), daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", type=int)
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    threading.stack_size(256 * 1024)
    with tempfile.TemporaryDirectory(prefix="wsbench") as folder:
        urls = {}
        for scheme, context in (("ws", None), ("wss", certificate(Path(folder)))):
            listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
            threading.Thread(target=accept_on, args=(listener, context), daemon=True).start()
            urls[scheme] = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps(urls), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""A capture of packets with unencrypted traffic, as cryptofeed records since its version 3.

It makes up a TCP conversation for every connection, around what went over it: a WebSocket
begins with its upgrade, HTTP is requests and answers. `X-Cryptofeed-…` headers say what
the conversation was really with. Packets follow each other in order, and none is sent twice.

Source: cryptofeed, `cryptofeed/capture/pcap.py`; https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html
"""

import struct
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from ingest.recordings.records import Record, RestAnswer, WsClosed, WsMessage, WsOpened, WsSent

# First bytes, of files written little-endian → units of a record's time in a nanosecond.
_MAGICS = {b"\x4d\x3c\xb2\xa1": 1, b"\xd4\xc3\xb2\xa1": 1000}
_ETHERNET = 1
_IPV4, _TCP = b"\x08\x00", 6
_FIN, _SYN, _ACK = 0x01, 0x02, 0x10
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA

_FILE_HEADER = struct.Struct("<4s8xi4xI")
_PACKET_HEADER = struct.Struct("<IIII")


def recognise(start: bytes) -> bool:
    """Tell whether a file that begins with these four bytes is a capture of packets."""
    return start in _MAGICS


def read(file: BinaryIO, name: str) -> Iterator[Record]:
    """Yield the records of one file; *name* is for connections that do not say theirs.

    Raises:
        ValueError: not what is described above; the text says which packet.
        EOFError: the file ends within a packet; all before it was yielded.
    """
    header = _exactly(file, _FILE_HEADER.size)
    magic, _, link_type = _FILE_HEADER.unpack(header)
    if link_type != _ETHERNET:
        raise ValueError(f"a capture of packets of link type {link_type}, not of Ethernet")
    conversations: dict[frozenset[bytes], _Conversation] = {}
    number = 0
    while head := file.read(_PACKET_HEADER.size):
        number += 1
        if len(head) < _PACKET_HEADER.size:
            raise EOFError("cut off within a packet")
        seconds, fraction, length, _ = _PACKET_HEADER.unpack(head)
        ns = seconds * 1_000_000_000 + fraction * _MAGICS[magic]
        try:
            yield from _packet(_exactly(file, length), ns, name, conversations)
        except ValueError as exc:
            raise ValueError(f"packet {number}: {exc}") from exc


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("cut off within a packet")
    return data


def _packet(
    frame: bytes, ns: int, name: str, conversations: "dict[frozenset[bytes], _Conversation]"
) -> Iterator[Record]:
    if frame[12:14] != _IPV4 or frame[23] != _TCP:
        return  # of something else on the same wire
    tcp = 14 + (frame[14] & 0x0F) * 4
    source, target = frame[26:30] + frame[tcp : tcp + 2], frame[30:34] + frame[tcp + 2 : tcp + 4]
    flags, key = frame[tcp + 13], frozenset((source, target))
    if flags & _SYN and not flags & _ACK:
        conversations[key] = _Conversation(source, name)
    conversation = conversations.get(key)
    if conversation is None:
        return  # begun before the capture was
    length = 14 + int.from_bytes(frame[16:18], "big")  # short frames are padded
    payload = frame[tcp + (frame[tcp + 12] >> 4) * 4 : length]
    yield from conversation.feed(payload, ns, is_client=source == conversation.client)
    if flags & _FIN:
        yield from conversation.end(ns)


class _Conversation:
    """One TCP connection: a WebSocket, or HTTP."""

    def __init__(self, client: bytes, name: str) -> None:
        self.client = client
        self._name = name
        self._buffers = {True: bytearray(), False: bytearray()}  # by whether from the client
        self._in_frames = {True: False, False: False}
        self._is_websocket = False
        self._asked: deque[str] = deque()  # URLs whose answers are to come
        self._is_open = False

    def feed(self, payload: bytes, ns: int, *, is_client: bool) -> Iterator[Record]:
        """Take in what one side has sent."""
        buffer = self._buffers[is_client]
        buffer += payload
        while buffer:
            if self._in_frames[is_client]:
                found = _websocket_frame(buffer)
                if found is None:
                    return
                opcode, data = found
                yield from self._message(opcode, data, ns, is_client=is_client)
                continue
            taken = _http_message(buffer)
            if taken is None:
                return
            first, headers, body = taken
            yield from self._http(first, headers, body, ns, is_client=is_client)

    def end(self, ns: int) -> Iterator[Record]:
        """One side has closed."""
        if self._is_open:
            self._is_open = False
            yield WsClosed(ns, self._name, 1006)

    def _http(
        self, first: str, headers: dict[str, str], body: bytes, ns: int, *, is_client: bool
    ) -> Iterator[Record]:
        if is_client:
            path = first.split(" ")[1]
            if headers.get("upgrade", "").lower() == "websocket":
                self._is_websocket = self._is_open = self._in_frames[True] = True
                named = headers.get("x-cryptofeed-conn-id", "")
                if named:
                    self._name = f"{named}.{headers.get('x-cryptofeed-connect-ordinal', '1')}"
                host = headers.get("host", "")
                url = headers.get("x-cryptofeed-address") or f"ws://{host}{path}"
                yield WsOpened(ns, self._name, url)
                return
            here = f"http://{headers.get('host', '')}{path}"
            self._asked.append(headers.get("x-cryptofeed-url", here))
        elif self._is_websocket:
            self._in_frames[False] = True
        elif self._asked:
            yield RestAnswer(ns, self._asked.popleft(), body)

    def _message(self, opcode: int, data: bytes, ns: int, *, is_client: bool) -> Iterator[Record]:
        if opcode == _CLOSE:
            yield from self.end(ns)
        elif opcode in (_PING, _PONG):
            return
        elif opcode not in (_TEXT, _BINARY):
            raise ValueError(f"a WebSocket frame of opcode {opcode}, which is not recorded")
        elif is_client:
            yield WsSent(ns, self._name, data)
        else:
            yield WsMessage(ns, self._name, data, binary=opcode == _BINARY)


def _http_message(buffer: bytearray) -> tuple[str, dict[str, str], bytes] | None:
    """Take a whole request or answer off the start: first line, headers, body."""
    if not buffer[:3].isalpha():  # neither a method nor HTTP/1.1: encrypted, as a rule
        raise ValueError(f"expected HTTP, found {bytes(buffer[:20])!r}")
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    if "HTTP/1." not in first:
        raise ValueError(f"expected HTTP, found {first[:40]!r}")
    pairs = (line.partition(":") for line in lines)
    headers = {key.strip().lower(): value.strip() for key, _, value in pairs}
    start, length = end + 4, int(headers.get("content-length", "0"))
    if len(buffer) < start + length:
        return None
    body = bytes(buffer[start : start + length])
    del buffer[: start + length]
    return first, headers, body


def _websocket_frame(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take a whole frame off the start: opcode and payload."""
    if len(buffer) < 2:
        return None
    if buffer[0] & 0xF0 != 0x80:
        raise ValueError("a WebSocket frame that is compressed or a fragment")
    size, start = buffer[1] & 0x7F, 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(buffer[2:start], "big")
    is_masked = bool(buffer[1] & 0x80)
    begin = start + 4 * is_masked
    if len(buffer) < begin + size:
        return None
    opcode, data = buffer[0] & 0x0F, bytes(buffer[begin : begin + size])
    if is_masked and any(mask := bytes(buffer[start:begin])):
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    del buffer[: begin + size]
    return opcode, data

"""Where a recording's events go: nowhere. They are decoded all the same, to be counted."""

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.codecs.base import OwnKeys, Record
from ingest.model import AnyEvent, Stream
from ingest.recordings.writer import RecordingFiles


class NoCodec(OwnKeys):
    """Encodes every event as nothing."""

    def encode(self, stream: Stream, event: AnyEvent) -> tuple[int, bytes]:  # noqa: ARG002
        return 0, b""

    def decode(self, fields: Mapping[bytes, bytes]) -> Record:  # noqa: ARG002
        raise ValueError("nothing was written")


class NoWriter:
    """Takes every entry and forgets it."""

    def __init__(self) -> None:
        self.dropped = 0

    def add(self, rx_ns: int, count: int, encoded: bytes) -> bool:  # noqa: ARG002
        return True


class NoSink:
    """Full when the recording's files are: then the feeds stop reading, and venues wait."""

    def __init__(self, files: RecordingFiles) -> None:
        self._files = files
        self._writer = NoWriter()

    @property
    def full(self) -> bool:
        return self._files.full

    slow = False

    async def wait_writable(self, *, caught_up: bool = False) -> None:  # noqa: ARG002
        await self._files.wait_writable()

    def open_stream(
        self,
        key: str,  # noqa: ARG002
        *,
        preface: tuple[int, int, bytes] | None = None,  # noqa: ARG002
        beside: Any = None,  # noqa: ARG002
        maxlen: int | None = None,  # noqa: ARG002
        follows: Any = None,  # noqa: ARG002
        conflated: Any = None,  # noqa: ARG002
        lost: Any = None,  # noqa: ARG002
    ) -> NoWriter:
        return self._writer

    async def newest(
        self,
        keys: Sequence[str],
        count: int,  # noqa: ARG002
    ) -> list[list[dict[bytes, bytes]]]:
        return [[] for _ in keys]

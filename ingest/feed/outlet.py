"""Where the events of one stream go, in which encoding."""

from typing import Literal, cast

from ingest import codecs
from ingest.codecs import Codec, Encoder
from ingest.feed.ports import EntryWriter, FeedSink
from ingest.model import AnyEvent, Marker, Stream

_own = codecs.get("fields")


class Outlet:
    """One stream; and beside it, under our own key, what its encoding cannot say.

    With our own encodings the two are one. With another system's, markers, feed
    events and what that system has no form for go beside it, in the default
    encoding: its readers meet nothing they do not know, and nothing is lost.
    """

    __slots__ = ("_aside", "_encode", "_stream", "codec", "key", "writer")

    def __init__(
        self,
        sink: FeedSink,
        encoder: Encoder,
        key_template: str,
        stream: Stream,
        *,
        preface: Marker | None = None,
        conflate: bool = False,
    ) -> None:
        """*preface* goes before all else if there are entries of an earlier run.

        *conflate*: while the sink is slow, the newest event is enough.
        """
        known = encoder.key_parts(stream) is not None
        encode = encoder.encode if known else _own.encode
        first = None
        if preface is not None:
            said = encode(stream, preface) or _own.encode(stream, preface)
            first = (preface.rx, *said)
        self._stream = stream
        self._encode = encode
        # What reads the entries back; None: another system's, whose they are.
        self.codec = cast("Codec", encoder) if encoder.complete else None
        self.key = key = codecs.stream_key(encoder, key_template, stream)
        skipped = self._say_skipped if conflate else None
        lost = self._say_lost if preface is not None else None
        if known and not encoder.complete:
            self._aside = sink.open_stream(codecs.own_key(stream))
            self.writer = sink.open_stream(
                key, preface=first, beside=self._aside, conflated=skipped, lost=lost
            )
        else:
            self.writer = self._aside = sink.open_stream(
                key, preface=first, conflated=skipped, lost=lost
            )

    def _say_skipped(self, rx: int) -> list[tuple[EntryWriter, int, int, bytes]]:
        """Return the markers to go before an event that replaced others.

        Those that have no place in the stream itself are put beside it instead.
        """
        before: list[tuple[EntryWriter, int, int, bytes]] = []
        for kind in ("gap", "resume"):
            marker = Marker(type=kind, reason="conflated", rx=rx)
            encoded = self._encode(self._stream, marker)
            if encoded is not None:
                before.append((self.writer, rx, *encoded))
            else:
                self._aside.add(rx, *_own.encode(self._stream, marker))
        return before

    def _say_lost(self, rx: int) -> list[tuple[EntryWriter, int, int, bytes]]:
        """Return the markers where entries were lost that the sink had taken.

        Those that have a place in the stream itself. A book is whole again only with the
        snapshot that its owner, who sees `dropped` grow, asks for.
        """
        kinds: tuple[Literal["gap", "resume"], ...] = ("gap", "resume")
        if self._stream.channel == "book":
            kinds = ("gap",)
        markers = [Marker(type=kind, reason="dropped", rx=rx) for kind in kinds]
        encoded = [self._encode(self._stream, marker) for marker in markers]
        return [(self.writer, rx, *each) for each in encoded if each is not None]

    @property
    def dropped(self) -> int:
        """Grows with each entry that is lost."""
        return self.writer.dropped + self._aside.dropped

    def add(self, event: AnyEvent, rx: int) -> bool:
        """Hand over one event; never waits. False if it was dropped, which is counted."""
        encoded = self._encode(self._stream, event)
        if encoded is not None:
            return self.writer.add(rx, *encoded)
        return self._aside.add(rx, *_own.encode(self._stream, event))

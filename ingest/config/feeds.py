"""What makes a list of feeds sound: known names, and one writer for each stream."""

from collections.abc import Mapping, Sequence

from msgspec import structs

from ingest import codecs, venues
from ingest.codecs import Encoder
from ingest.config.problems import choose
from ingest.config.reader import INVALID, Section
from ingest.config.schema import FeedConfig, RedisConfig, Selector
from ingest.model import Stream
from ingest.venues.base import Venue

_EXAMPLES = 3

# Of which a venue has at least one form.
_STAND_INS = ("BTC-USDT", "BTC-USD", "BTC-USDT-PERP", "BTC-USDC-PERP", "BTC-USD-PERP")

# Venue, channel, instrument.
_Stream = tuple[str, str, str]


class FeedRules:
    """Checks feed after feed, in the file's order, and remembers who writes which stream."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._writers: dict[_Stream, str] = {}
        self._instruments: dict[tuple[str, str], str] = {}  # by venue and its symbol
        # Of each feed with a selector, what stands for what will be selected.
        self._selecting: list[dict[_Stream, str]] = []

    def check(self, section: Section) -> None:
        """Check one feed against its venue and against the feeds before it."""
        self._sections.append(section)
        name = section.get("venue")
        if name is None:
            return
        if name not in venues.names():
            advice = "it is not a known venue"
            if not section.hidden("venue"):
                advice = f"{advice}; {choose(name, venues.names())}"
            section.report("venue", f"is {section.shown('venue')}; {advice}")
            return
        venue = venues.get(name)
        channels = _check_channels(section, venue)
        instruments = _check_instruments(section, venue, channels)
        if isinstance(section.get("instruments"), Selector):
            name_of_any = _stand_in(venue)
            self._selecting.append({(name, c, name_of_any): section.path for c in channels})
        self._check_symbols(section, venue, instruments)
        self._check_writers(section, [(name, c, i) for i in instruments for c in channels])
        _check_snapshots(section, venue, channels)

    def check_names(self) -> None:
        """No two feeds have one name, given or made up; call it after the last feed."""
        holders: dict[str, str] = {}
        feeds = [(section.get("venue"), section.get("name")) for section in self._sections]
        names = feed_names(feeds)
        # Names that are given come first: only they can be changed.
        given = [i for i, (_, name) in enumerate(feeds) if name]
        made_up = [i for i, (_, name) in enumerate(feeds) if not name]
        for i in made_up + given:
            section = self._sections[i]
            holder = holders.setdefault(names[i], section.path)
            if holder != section.path:
                section.report(
                    "name", f"is {section.shown('name')}, the name of {holder} too; use another"
                )

    def check_keys(self, redis: RedisConfig | None) -> None:
        """No two streams have one key: another system may not tell our channels apart."""
        if redis is None or not (isinstance(redis.encoding, str) and isinstance(redis.key, str)):
            return  # reported already
        encoder = codecs.encoder(redis.encoding)
        if encoder.complete:
            return
        sections = {section.path: section for section in self._sections}
        # Where selectors overlap, with lists too, one leaves the stream to the other.
        for streams in (self._writers, *self._selecting):
            self._check_keys(redis, encoder, sections, streams)

    def _check_keys(
        self,
        redis: RedisConfig,
        encoder: Encoder,
        sections: Mapping[str, Section],
        streams: Mapping[_Stream, str],
    ) -> None:
        holders: dict[str, Stream] = {}
        shared: dict[tuple[str, str, str], tuple[str, Stream]] = {}
        for (venue, channel, instrument), path in streams.items():
            stream = Stream(venue, channel, instrument)
            if encoder.key_parts(stream) is None:
                continue
            key = codecs.stream_key(encoder, redis.key, stream)
            other = holders.setdefault(key, stream)
            if other != stream:
                # Once for each pair of channels, not for each instrument.
                pair = (path, f"{other.venue} {other.channel}", channel)
                shared.setdefault(pair, (key, stream))
        for (path, other_name, channel), (key, stream) in shared.items():
            sections[path].problems.add(
                sections[path].table.line,
                f"{path}: {channel} of {stream.instrument} and {other_name} are both {key} in "
                f"encoding {redis.encoding}; keep one of them, or put {{channel}} into redis.key",
            )

    def _check_symbols(self, section: Section, venue: Venue, instruments: Sequence[str]) -> None:
        """Two names for one thing at the venue would each get the other's data."""
        for instrument in instruments:
            symbol = venue.to_symbol(instrument)
            other = self._instruments.setdefault((venue.name, symbol), instrument)
            if other != instrument:
                section.problems.add(
                    section.table.line,
                    f"{section.path}.instruments: {instrument} and {other} are both {symbol} at "
                    f"{venue.name}; keep the one with the right base and quote",
                )

    def _check_writers(self, section: Section, streams: Sequence[_Stream]) -> None:
        repeated: dict[str, list[_Stream]] = {}
        for stream in streams:
            writer = self._writers.setdefault(stream, section.path)
            if writer != section.path:
                repeated.setdefault(writer, []).append(stream)
        for writer, again in repeated.items():
            examples = ", ".join(f"{channel} of {name}" for _, channel, name in again[:_EXAMPLES])
            if len(again) > _EXAMPLES:
                examples += f" and {len(again) - _EXAMPLES} more"
            section.problems.add(
                section.table.line,
                f"{section.path} repeats {examples} from {writer}; a stream has exactly one "
                "writer: list each channel of an instrument once per venue",
            )


def feed_names(feeds: Sequence[tuple[str | None, str | None]]) -> list[str]:
    """Return each feed's name, from its venue and the name it was given, if any.

    A feed without a name gets its venue's and a number: it is the venue's n-th.
    """
    counts: dict[str | None, int] = {}
    names: list[str] = []
    for venue, name in feeds:
        counts[venue] = counts.get(venue, 0) + 1
        names.append(name or f"{venue}-{counts[venue]}")
    return names


def with_names(feeds: Sequence[FeedConfig]) -> tuple[FeedConfig, ...]:
    """Return the feeds, each with its name."""
    names = feed_names([(feed.venue, feed.name) for feed in feeds])
    return tuple(structs.replace(f, name=n) for f, n in zip(feeds, names, strict=True))


def _stand_in(venue: Venue) -> str:
    for instrument in _STAND_INS:
        try:
            venue.to_symbol(instrument)
        except ValueError:
            continue
        return instrument
    return _STAND_INS[0]


def _check_channels(section: Section, venue: Venue) -> list[str]:
    """Return the channels that the venue has; report the others, and repeats."""
    known = venue.channel_names()
    good: list[str] = []
    for i, channel in enumerate(section.get("channels") or ()):
        if channel is INVALID:
            continue
        found = section.shown("channels", i)
        if channel not in known:
            advice = choose("" if section.hidden("channels", i) else channel, known)
            section.report("channels", f"is {found}; {venue.name} does not have it; {advice}", i)
        elif channel in good:
            section.report("channels", f"is {found} a second time; list it once", i)
        else:
            good.append(channel)
    return good


def _check_snapshots(section: Section, venue: Venue, channels: Sequence[str]) -> None:
    """They are taken of books; a feed that has none would wait for them in vain."""
    if section.get("book_snapshot_every_s") is None or not channels:
        return
    if not any(channel in venue.books for channel in channels):
        section.report(
            "book_snapshot_every_s",
            "is for books, and this feed has none; remove it, or add a channel such as book",
        )


def _check_instruments(section: Section, venue: Venue, channels: Sequence[str]) -> list[str]:
    """Return the names that can be the venue's; report the others, and repeats.

    A selector has none yet: where it overlaps with another feed, that one has the stream.
    """
    instruments = section.get("instruments")
    if isinstance(instruments, Selector):
        if venue.instruments is None:
            section.report(
                "instruments",
                f"selects by rule; {venue.name} has no list to select from; list the instruments",
            )
        return []  # what it means is known when the venue is asked
    good: dict[str, None] = {}
    for i, instrument in enumerate(instruments or ()):
        if instrument is INVALID:
            continue
        found = section.shown("instruments", i)
        try:
            venue.to_symbol(instrument)
            for channel in channels:
                venue.topic(channel, instrument)
        except ValueError as exc:
            advice = "the venue has no such name" if section.hidden("instruments", i) else str(exc)
            section.report("instruments", f"is {found}; {advice}", i)
            continue
        if instrument in good:
            section.report("instruments", f"is {found} a second time; list it once", i)
        good[instrument] = None
    return list(good)

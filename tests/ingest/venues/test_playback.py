"""Every registered venue: its samples decode to what they say, broken ones to `DecodeError`."""

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import venues
from ingest.errors import DecodeError
from ingest.model import AnyEvent
from ingest.venues.base import Data, Inbound, Topic
from ingest.venues.decoding import Reason

DATA = Path(__file__).parents[2] / "data"
RX = 1_723_161_254_087_891_268
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NUMBERS = {"price", "size", "bid", "bid_size", "ask", "ask_size", "last", "open", "high", "low"}
NUMBERS |= {"close", "volume", "quote_volume"}
NUMBERS |= {"mark", "index", "funding_rate", "rate", "open_interest"}

_MOST_CHARS = 1000  # of a value, or of an error's text

HARD = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Sample(msgspec.Struct):
    source: str
    channel: str
    instrument: str
    frame: msgspec.Raw
    events: list[dict[str, Any]]
    before: list[msgspec.Raw] = []  # frames of the connection without which this one says nothing
    gzip: bool = False  # on the wire

    def wire(self, frame: bytes | None = None) -> bytes:
        """The frame, or another in its place, as it comes from the socket."""
        data = bytes(self.frame) if frame is None else frame
        return gzip.compress(data) if self.gzip else data


@cache
def samples(venue: str) -> list[Sample]:
    return msgspec.json.decode((DATA / venue / "samples.json").read_bytes(), type=list[Sample])


ALL = [
    pytest.param(venue, sample, id=f"{venue}-{sample.channel}-{sample.instrument}-{number}")
    for venue in venues.names()
    for number, sample in enumerate(samples(venue))
]


def parts(inbound: Inbound | list[Inbound]) -> list[Inbound]:
    return inbound if isinstance(inbound, list) else [inbound]


def decode(venue_name: str, sample: Sample, frame: bytes | None = None) -> list[AnyEvent]:
    """What the frame holds of the sample's topic, decoded as a connection does."""
    venue = venues.get(venue_name)
    topic = venue.topic(sample.channel, sample.instrument).name
    parse, decode_data = venue.parser(), venue.decoder(sample.channel)
    for earlier in sample.before:
        for part in parts(parse(sample.wire(bytes(earlier)))):
            if isinstance(part, Data) and part.topic == topic:
                decode_data(part, RX)
    found = parts(parse(sample.wire(frame)))
    data = [part for part in found if isinstance(part, Data) and part.topic == topic]
    return [event for part in data for event in decode_data(part, RX)]


def sent_fields(event: AnyEvent) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None and name != "rx"}


@pytest.mark.parametrize(("venue", "sample"), ALL)
def test_sample_becomes_its_events(venue: str, sample: Sample) -> None:
    """Each frame gives the events it is said to give, every value as sent, in order."""
    events = decode(venue, sample)

    found = [sent_fields(event) for event in events]
    # Through JSON, for the levels' tuples: the expectation has lists.
    assert json.loads(json.dumps(found)) == sample.events
    assert [event.rx for event in events] == [RX] * len(events)


@pytest.mark.parametrize(("venue", "sample"), ALL)
def test_numbers_keep_every_character(venue: str, sample: Sample) -> None:
    """Prices and sizes are found in the frame as they stand, trailing zeros and all."""
    # What an earlier frame said may be said again, as of a bar that is over now.
    frame = b" ".join(bytes(sent) for sent in [*sample.before, sample.frame]).decode()

    for event in decode(venue, sample):
        for text in number_texts(event):
            if text == "0":
                continue  # of a level that the venue deletes with a word of its own
            assert re.search(rf"(?<![\d.]){re.escape(text)}(?![\d.])", frame)


@pytest.mark.parametrize("venue", venues.names())
def test_every_channel_has_a_sample(venue: str) -> None:
    """No channel is offered that no sample shows to work."""
    shown = {re.sub("^candle_.*", "candle", sample.channel) for sample in samples(venue)}

    assert shown == set(venues.get(venue).channels)


@pytest.mark.parametrize("venue", venues.names())
@HARD
@given(frame=st.binary(max_size=200))
def test_random_bytes_are_refused(venue: str, frame: bytes) -> None:
    """Whatever arrives, parsing gives a frame or `DecodeError`, nothing else."""
    try:
        inbound = venues.get(venue).parser()(frame)
    except DecodeError as exc:
        assert exc.reason in get_args(Reason)
    else:
        assert all(isinstance(part, Inbound) for part in parts(inbound))


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "NaN", "Infinity", "-1.0", "1e5", "abc", "0x1", " 1", "1,2", "٣", "1."])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def number_texts(event: AnyEvent) -> Iterator[str]:
    for name, value in sent_fields(event).items():
        if name in NUMBERS:
            yield value
        elif name in ("bids", "asks"):
            for level in value:
                yield from level


def check_all_or_nothing(venue: str, sample: Sample, frame: bytes) -> list[AnyEvent]:
    """Decode as the shell does; whatever comes out is sound, and returned."""
    try:
        events = decode(venue, sample, frame)
    except DecodeError as exc:
        assert exc.reason in get_args(Reason)
        assert len(str(exc)) < _MOST_CHARS
        return []
    for event in events:
        for text in number_texts(event):
            assert NUMBER.fullmatch(text)
        msgspec.json.encode(event).decode("utf-8")
        for name, value in sent_fields(event).items():
            if isinstance(value, int):
                assert -(2**63) <= value < 2**63, name
    return events


@pytest.mark.parametrize("venue", venues.names())
@HARD
@given(data=st.data())
def test_any_value_replaced(venue: str, data: st.DataObject) -> None:
    """A real frame with any one part replaced by any JSON is decoded soundly or refused."""
    sample = data.draw(st.sampled_from(samples(venue)))
    frame = json.loads(bytes(sample.frame))
    path = data.draw(st.sampled_from(list(paths(frame))[1:]))
    holder = frame
    for step in path[:-1]:
        holder = holder[step]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[path[-1]]
    else:
        holder[path[-1]] = data.draw(JUNK)

    check_all_or_nothing(venue, sample, json.dumps(frame).encode())


@pytest.mark.parametrize("venue", venues.names())
@HARD
@given(data=st.data())
def test_any_bytes_replaced(venue: str, data: st.DataObject) -> None:
    """A real frame with any stretch of bytes replaced is decoded soundly or refused."""
    sample = data.draw(st.sampled_from(samples(venue)))
    frame = bytes(sample.frame)
    start = data.draw(st.integers(0, len(frame)))
    end = data.draw(st.integers(start, min(len(frame), start + 20)))

    check_all_or_nothing(
        venue, sample, frame[:start] + data.draw(st.binary(max_size=20)) + frame[end:]
    )


@pytest.mark.parametrize(("venue", "sample"), ALL)
def test_absurd_nesting(venue: str, sample: Sample) -> None:
    """Nesting without end is refused, in the envelope and in the payload."""
    deep = b"[" * 100_000
    for frame in (deep, b'{"stream":"x","arg":{"channel":"x"},"data":' + deep):
        with pytest.raises(DecodeError):
            venues.get(venue).parser()(sample.wire(frame))

    topic = venues.get(venue).topic(sample.channel, sample.instrument).name
    with pytest.raises(DecodeError):
        venues.get(venue).decoder(sample.channel)(Data(topic, deep, "update"), RX)


LONG = b"9" * 20_000
# What JSON, or what is nearly JSON, can hold in a value's place.
HOSTILE = [
    *(LONG, b"-" + LONG, b"0." + LONG, b'"' + LONG + b'"', b'"0.' + LONG + b'"'),
    *(b"1e999999999", b"-1e999999999", b"1e-999999999", b'"1e999999999"', b"-0", b"01"),
    *(b"9223372036854775808", b'"9223372036854775808"', b"-9223372036854775809"),
    *(b"253402300800000", b"9999999999999999", b'"9999999-01-01T00:00:00Z"', b'"-1"'),
    *(b"NaN", b"Infinity", b"-Infinity", b'"NaN"', b'"Infinity"', b'"nan"'),
    *(rb'"a\u0000b"', rb'"\ud800"', rb'"\udc00\ud800"', b'"\xff\xfe"', b'"\xc0\x80"'),
    *(rb'"BTC\r\nUSDT"', b'"{x}*?[a]"', b'"%s"' % (b"A{}:" * 10_000)),
    *(b"[" * 20_000, b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    *(b"[" + b"[]," * 20_000 + b"[]]", b"[" + b'["1","1"],' * 5_000 + b'["1","1"]]'),
]
PLACE = "the place of a hostile value"


def places(frame: Any) -> Iterator[tuple[Any, ...]]:
    """One path of each form: rows of a list are alike."""
    forms = set()
    for path in paths(frame):
        form = tuple("row" if isinstance(step, int) and step > 5 else step for step in path)
        if path and form not in forms:
            forms.add(form)
            yield path


def with_place(frame: bytes, path: tuple[Any, ...]) -> bytes:
    changed = holder = json.loads(frame)
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = PLACE
    return json.dumps(changed).encode()


@pytest.mark.parametrize("venue", venues.names())
def test_hostile_values(venue: str) -> None:
    """In whatever place: refused, or sound, and no event grows with what was sent."""
    of_channels = {sample.channel.partition("_")[0]: sample for sample in samples(venue)}
    for sample in of_channels.values():
        for path in places(json.loads(bytes(sample.frame))):
            before, after = with_place(bytes(sample.frame), path).split(f'"{PLACE}"'.encode())
            for value in HOSTILE:
                for event in check_all_or_nothing(venue, sample, before + value + after):
                    assert all(len(text) <= _MOST_CHARS for text in number_texts(event))
                    for name, found in sent_fields(event).items():
                        assert not isinstance(found, str) or len(found) <= _MOST_CHARS, name
                        if name in ("ts", "start", "end", "next_funding"):
                            assert found >= 0, name


def with_keys_twice(value: Any, first: str | None) -> str:
    """JSON in which each key of each object is there twice: under *first*, None: the same."""
    if isinstance(value, dict):
        inner = {json.dumps(key): with_keys_twice(held, first) for key, held in value.items()}
        return f"{{{','.join(f'{key}:{first or v},{key}:{v}' for key, v in inner.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(with_keys_twice(inner, first) for inner in value)}]"
    return json.dumps(value)


@pytest.mark.parametrize(("venue", "sample"), ALL)
def test_keys_given_twice(venue: str, sample: Sample) -> None:
    """The last one counts, or the frame is refused for the first: never a mixture."""
    read = json.loads(bytes(sample.frame))
    expected = decode(venue, sample, json.dumps(read).encode())

    assert decode(venue, sample, with_keys_twice(read, None).encode()) == expected
    for first in ("null", '"0"', "0", "{}"):
        found = check_all_or_nothing(venue, sample, with_keys_twice(read, first).encode())
        assert found in ([], expected)


@pytest.mark.parametrize("venue", venues.names())
def test_every_channel_can_be_subscribed(venue: str) -> None:
    """A request for one topic of each channel is JSON, and names each."""
    spec = venues.get(venue)
    instruments = {sample.channel: sample.instrument for sample in samples(venue)}
    for channel in spec.channel_names():
        of_candles = next((at for name, at in instruments.items() if name[:7] == channel[:7]), "")
        topic = spec.topic(channel, instruments.get(channel, of_candles))

        request = spec.subscribe([topic], 7)

        assert isinstance(json.loads(request), dict | list)
        for name in topic.name.split(":"):
            # Some venues have one feed of liquidations for all instruments.
            assert name.encode() in request or channel == "liquidation"


@pytest.mark.parametrize("venue", venues.names())
def test_numbers_of_a_request(venue: str) -> None:
    """As many topics as a request may hold have room in it; no instruments share a name."""
    spec = venues.get(venue)
    topics = {
        (sample.channel, sample.instrument): spec.topic(sample.channel, sample.instrument)
        for sample in samples(venue)
    }
    # One name may serve several of our channels, never two instruments.
    named = {(topic.channel, topic.name, topic.path) for topic in topics.values()}
    assert len(named) == len(topics)
    groups: dict[str, list[Topic]] = {}
    for topic in topics.values():
        groups.setdefault(spec.request_group(topic), []).append(topic)
    for group in groups.values():
        some = group[: spec.limits.topics_per_request]
        assert len(spec.subscribe(some, 7)) <= spec.limits.request_bytes

"""What a venue is: data, and a few pure functions over bytes.

A venue file fills in one `Venue`. Shared code opens the connections, paces and
checks the subscriptions, answers the heartbeats and publishes the events; it
never names a venue. Nothing here reads a clock, sleeps, logs or does I/O.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Raw, Struct

from ingest.model import AnyEvent, Book, Level, Trade


class Topic(Struct, frozen=True, gc=False):
    """One thing to subscribe to, in both vocabularies."""

    channel: str  # ours: "trade", "candle_1m"
    instrument: str  # ours: "BTC-USDT"
    name: str  # the venue's, by which its data frames are recognised: "btcusdt@trade"
    path: str = ""  # of the URL that serves it, where a venue has several; "": `Venue.ws_url`'s
    # What the venue calls the subscription, once it said so: `Ack.handle`. Only in what
    # `Venue.unsubscribe` is given.
    handle: str = ""


class Data(Struct, frozen=True, gc=False):
    """A data frame: which topic, and the part of it that the channel decodes."""

    topic: str
    payload: Raw | bytes  # undecoded JSON; a Raw shares the frame's memory
    action: str = ""  # "snapshot"/"update" where the venue says so outside the payload
    # Of a feed for all instruments at once: one that nobody asked for is no surprise.
    shared: bool = False


class Ack(Struct, frozen=True, gc=False):
    """The venue accepted single topics where it names them, else a whole request."""

    request_id: int | None = None
    topics: tuple[str, ...] = ()
    handle: str = ""  # by which the venue knows this subscription on this connection


class Reject(Struct, frozen=True, gc=False):
    """The venue refused single topics where it names them, else a whole request.

    Without topics and without an id it is for some request, and the venue does
    not say which.
    """

    message: str
    code: str = ""
    request_id: int | None = None
    topics: tuple[str, ...] = ()


class Pong(Struct, frozen=True, gc=False):
    """The answer to our application-level ping."""


class Answer(Struct, frozen=True, gc=False):
    """The venue pings in a way of its own: this is to be sent back, as text, at once."""

    payload: bytes


class Reconnect(Struct, frozen=True, gc=False):
    """The connection will go away, as the venue announces: open another beside it.

    `lost`: it is of no use any more, because it has lost data, or because no more comes.
    """

    reason: str
    lost: bool = False


class Ignored(Struct, frozen=True, gc=False):
    """A frame that carries no data by design (welcome, status, heartbeat)."""

    reason: str


Inbound = Data | Ack | Reject | Pong | Answer | Reconnect | Ignored
# One frame; a list where it holds data of several topics, or an answer and data.
# Raises `DecodeError`, nothing else, on anything the protocol does not promise.
Parse = Callable[[bytes], Inbound | list[Inbound]]
# The events of one data frame, in the order sent, given our receive time in Unix ns;
# `DecodeError` as above.
Decode = Callable[[Data, int], Sequence[AnyEvent]]


class Limits(Struct, frozen=True, kw_only=True):
    """The venue's published rules; each with its source beside it in the venue's file."""

    topics_per_connection: int
    topics_per_request: int
    request_bytes: int  # of one subscribe message
    requests_per_s: float  # messages towards the venue, pings included
    connects: tuple[int, float]  # attempts, per this many seconds
    ack_timeout_s: float = 10.0
    max_age_s: float | None = None  # of a connection: the venue ends it then; None: it does not
    # From the opening of a connection to our first request.
    first_request_after_s: float = 0.0
    # Messages of all our connections together, per this many seconds, where the venue
    # counts those. The first of each connection, pings and answers are not among them:
    # of what the venue allows, this leaves room for as many as `connects` and those are.
    messages_per_host: tuple[int, float] | None = None
    # Of one address at a time; a plan that has more says so.
    topics_per_host: int | None = None
    connections_per_host: int | None = None


class Heartbeat(Struct, frozen=True, kw_only=True):
    """An application-level ping the venue wants; answered within `timeout_s`."""

    payload: bytes
    after_idle_s: float
    timeout_s: float
    always: bool = False  # every `after_idle_s`, though data flows


class ChannelSpec(Struct, frozen=True, kw_only=True):
    """How one of our channels is named and decoded at this venue.

    `topic` is a template over `{symbol}`, `{symbol_lower}` and `{interval}`.
    A decoder that remembers earlier frames of its topic is a `new_decoder`: it is
    made anew for each topic and each connection.

    `at_once`: every subscription is answered with data, even in a market where nothing
    happens. So is a book whose snapshot comes in the stream; it need not say so.
    """

    topic: str
    decode: Decode | None = None
    new_decoder: Callable[[], Decode] | None = None
    at_once: bool = False

    def __post_init__(self) -> None:
        if (self.decode is None) == (self.new_decoder is None):
            raise TypeError("a channel has either decode or new_decoder")


class RestRequest(Struct, frozen=True, kw_only=True):
    """One request to the venue's REST interface."""

    path: str  # with its query, from `Venue.rest_url` on
    method: Literal["GET", "POST"] = "GET"
    body: bytes = b""
    weight: int = 1  # what it costs of `RestLimits.weight`


class RestLimits(Struct, frozen=True, kw_only=True):
    """What the venue lets one address ask; shared by all our processes."""

    weight: tuple[int, float]  # so much in any so many seconds
    used_header: str = ""  # header of an answer that says how much is used, in lower case


class Instrument(Struct, frozen=True, kw_only=True, gc=False):
    """One instrument of a venue, in both vocabularies. Numbers are as sent."""

    name: str  # ours: BTC-USDT, BTC-USDT-PERP, BTC-USDT-250926, BTC-USD-250926-60000-C
    symbol: str  # the venue's
    kind: Literal["spot", "perpetual", "future", "option"]
    base: str
    quote: str
    tick_size: str | None = None
    lot_size: str | None = None
    contract_size: str | None = None  # of one contract, in base or quote as the venue defines it
    trading: bool = True  # False: listed, but cannot be traded now
    volume: str | None = None  # of 24 h, in quote units; ranks `by: volume`


class InstrumentList(Struct, frozen=True, kw_only=True):
    """Where the venue's instruments are listed.

    `parse` is given the bodies of the answers in the order of `requests`. It raises
    `DecodeError` where an answer as a whole is not what the venue promises, and
    leaves out single entries that have no name in our terms.
    """

    requests: tuple[RestRequest, ...]
    parse: Callable[[Sequence[bytes]], list[Instrument]]


class RestBook(Struct, frozen=True, kw_only=True):
    """A whole book over REST: `request(symbol)`; `decode(body, rx)` returns a snapshot.

    `age_s`: how old an answer may be, where neither its number nor those of the updates
    would show that some of them came before we listened. We listen that long first.
    """

    request: Callable[[str], RestRequest]
    decode: Callable[[bytes, int], Book]
    age_s: float = 0.0


class BookRule(Struct, frozen=True, kw_only=True):
    """How a channel's books are joined, and what proves that no update is missing.

    `continuity`, of the update that follows another one:
    "prev_seq": its `prev_seq` is the `seq` before. "first_seq": its `first_seq` is the
    `seq` before + 1. "plus_one": its `seq` is the `seq` before + 1. "none": the venue
    sends nothing that would show a loss.

    `rest`: the snapshot is fetched; without, it comes in the stream. `joins(snapshot
    seq, delta)` tells whether *delta* may be the first one applied to it; deltas
    whose `seq` is not beyond the snapshot's are passed over before.

    `checksum(bids, asks)`, best first: to be compared with `Book.checksum`.
    `depth`: levels a side that the venue counts on being kept, the rest cut off.
    """

    continuity: Literal["prev_seq", "first_seq", "plus_one", "none"]
    rest: RestBook | None = None
    joins: Callable[[int, Book], bool] | None = None
    checksum: Callable[[Sequence[Level], Sequence[Level]], int] | None = None
    depth: int | None = None


class Backfill(Struct, frozen=True, kw_only=True):
    """Missing trades over REST, where ids are consecutive integers, or `Trade.seq` is.

    `request(symbol, first, last)` asks for these numbers, at most `most` of them;
    `decode(body, rx)` returns trades in ascending order, maybe more than asked for.
    `field`: which of the two numbers a trade.
    """

    request: Callable[[str, int, int], RestRequest]
    decode: Callable[[bytes, int], list[Trade]]
    most: int
    field: Literal["id", "seq"] = "id"


class Admission(Struct, frozen=True, kw_only=True):
    """What one connection is opened with."""

    url: str
    heartbeat: Heartbeat | None = None  # as the venue wants it there; None: `Venue.heartbeat`


class Ticket(Struct, frozen=True, kw_only=True):
    """Something to ask for over REST before each connection: it says where to connect to."""

    request: RestRequest
    admit: Callable[[bytes, str], Admission]  # body, the URL planned; raises DecodeError


def _one_group(topic: Topic) -> str:  # noqa: ARG001
    return ""


def _same_path(channel: str, instrument: str) -> str:  # noqa: ARG001
    return ""


class Venue(Struct, frozen=True, kw_only=True):
    """One venue's public market data."""

    name: str
    ws_url: str  # with path
    rest_url: str
    docs_url: str
    limits: Limits
    # Keyed by our channel; "candle" stands for every `candle_<interval>`.
    channels: Mapping[str, ChannelSpec]
    intervals: Mapping[str, str]  # our candle interval ("1m") to the venue's
    # Both raise ValueError with a readable message on a name that cannot be one.
    to_symbol: Callable[[str], str]  # "BTC-USDT" → "BTCUSDT"
    # Topics, request id. Several topics may have one name: it is to be asked for once.
    subscribe: Callable[[Sequence[Topic], int], bytes]
    parse: Parse | None = None
    # Instead of `parse` where frames only make sense after others (a number that
    # an earlier frame gave to a topic): made anew for each connection.
    new_parser: Callable[[], Parse] | None = None
    # Only topics of one group go into one request, where the venue's requests are for
    # a single channel, or for a single topic.
    request_group: Callable[[Topic], str] = _one_group
    # Topics of one group, as `subscribe`, with their `handle`. What the venue answers is
    # neither `Ack` nor `Reject`, unless it has the request's id. Without it, a topic is
    # only begun anew with the whole connection.
    unsubscribe: Callable[[Sequence[Topic], int], bytes] | None = None
    opening: Sequence[bytes] = ()  # sent first on every connection
    # Puts the time, in Unix ns, into a message of ours that is about to go out.
    stamp: Callable[[bytes, int], bytes] | None = None
    headers: Mapping[str, str] = {}  # of every handshake and every request
    path: Callable[[str, str], str] = _same_path  # channel, instrument → `Topic.path`
    heartbeat: Heartbeat | None = None
    ticket: Ticket | None = None
    rest_limits: RestLimits | None = None
    instruments: InstrumentList | None = None
    books: Mapping[str, BookRule] = {}  # by our channel
    backfills: Mapping[str, Backfill] = {}  # by our channel
    # What other systems call it, where the rules in `ingest.codecs.names` do not hold.
    cryptofeed_name: str = ""
    cryptofeed_short_days: bool = False  # 25U5, not 25U05
    nautilus_symbol: Callable[[str], str] | None = None  # of our "BTC-USDT-PERP"

    def __post_init__(self) -> None:
        if (self.parse is None) == (self.new_parser is None):
            raise TypeError(f"{self.name}: a venue has either parse or new_parser")

    def topic(self, channel: str, instrument: str) -> Topic:
        """Build the topic for one channel of one instrument, both in our names.

        Raises:
            ValueError: unknown channel or interval, or an instrument name that
                this venue cannot have. The text says what is accepted.
        """
        spec, interval = self._spec(channel)
        symbol = self.to_symbol(instrument)
        name = spec.topic.format(symbol=symbol, symbol_lower=symbol.lower(), interval=interval)
        path = self.path(channel, instrument)
        return Topic(channel=channel, instrument=instrument, name=name, path=path)

    def parser(self) -> Parse:
        """Return the function that parses the frames of one connection."""
        if self.parse is not None:
            return self.parse
        assert self.new_parser is not None
        return self.new_parser()

    def decoder(self, channel: str) -> Decode:
        """Return the function that decodes one topic of one connection; ValueError as `topic`."""
        spec = self._spec(channel)[0]
        if spec.decode is not None:
            return spec.decode
        assert spec.new_decoder is not None
        return spec.new_decoder()

    def answers_at_once(self, channel: str) -> bool:
        """Whether data follows every subscription to it; ValueError as `topic`."""
        return self._spec(channel)[0].at_once

    def channel_names(self) -> list[str]:
        """Every channel that a config may name, candles once per interval."""
        names: list[str] = []
        for channel in self.channels:
            if channel == "candle":
                names += [f"candle_{interval}" for interval in self.intervals]
            else:
                names.append(channel)
        return names

    def _spec(self, channel: str) -> tuple[ChannelSpec, str]:
        base, _, interval = (
            channel.partition("_") if channel.startswith("candle_") else (channel, "", "")
        )
        spec = self.channels.get(base)
        if spec is None or (base == "candle" and interval not in self.intervals):
            accepted = ", ".join(self.channel_names())
            raise ValueError(f"{self.name} has no channel {channel!r}; it has {accepted}")
        return spec, self.intervals.get(interval, "")

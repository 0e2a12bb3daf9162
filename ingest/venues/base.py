"""What a venue is: data, and a few pure functions over bytes.

A venue file fills in one `Venue`. Shared code opens the connections, paces and
checks the subscriptions, answers the heartbeats and publishes the events; it
never names a venue. Nothing here reads a clock, sleeps, logs or does I/O.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw, Struct

from ingest.model import AnyEvent


class Topic(Struct, frozen=True, gc=False):
    """One thing to subscribe to, in both vocabularies."""

    channel: str  # ours: "trade", "candle_1m"
    instrument: str  # ours: "BTC-USDT"
    name: str  # the venue's, by which its data frames are recognised: "btcusdt@trade"
    path: str = ""  # of the URL that serves it, where a venue has several; "": `Venue.ws_url`'s


class Data(Struct, frozen=True, gc=False):
    """A data frame: which topic, and the part of it that the channel decodes."""

    topic: str
    payload: Raw | bytes  # undecoded JSON; a Raw shares the frame's memory
    action: str = ""  # "snapshot"/"update" where the venue says so outside the payload


class Ack(Struct, frozen=True, gc=False):
    """The venue accepted single topics where it names them, else a whole request."""

    request_id: int | None = None
    topics: tuple[str, ...] = ()


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
    """The venue announces that this connection will go away: open another."""

    reason: str


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
    """

    topic: str
    decode: Decode | None = None
    new_decoder: Callable[[], Decode] | None = None

    def __post_init__(self) -> None:
        if (self.decode is None) == (self.new_decoder is None):
            raise TypeError("a channel has either decode or new_decoder")


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
    subscribe: Callable[[Sequence[Topic], int], bytes]  # topics, request id
    parse: Parse | None = None
    # Instead of `parse` where frames only make sense after others (a number that
    # an earlier frame gave to a topic): made anew for each connection.
    new_parser: Callable[[], Parse] | None = None
    path: Callable[[str, str], str] = _same_path  # channel, instrument → `Topic.path`
    heartbeat: Heartbeat | None = None

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

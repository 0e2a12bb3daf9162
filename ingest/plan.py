"""Who opens which connection: from a `Config` to one `WorkerPlan` per process.

Pure, and deterministic: the same config gives the same plan. A plan holds
everything a worker needs, as JSON (`msgspec.json`), so that it goes through a
pipe and no secret of it through a command line.
"""

from collections.abc import Mapping, Sequence
from itertools import count, pairwise
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct, structs

from ingest import codecs, venues
from ingest.config.redis_url import unverified
from ingest.config.schema import (
    Config,
    FeedConfig,
    LogLevel,
    ReconnectConfig,
    RedisConfig,
    Selector,
    ShutdownConfig,
    VenueConfig,
    WebSocketConfig,
    WhenSlowConfig,
)
from ingest.model import Stream
from ingest.venues.base import Instrument, Topic, Venue

LogFormat = Literal["console", "json"]


class LegPlan(Struct, frozen=True, kw_only=True):
    """By which way one socket reaches the venue."""

    proxy: str | None = None
    source_address: str | None = None  # of this machine: an address, or a network interface


class ConnectionPlan(Struct, frozen=True, kw_only=True):
    """One WebSocket connection and what it subscribes to.

    With redundancy, as many sockets as `legs`, each subscribed to everything.
    """

    name: str  # stands in `md:{venue}:feed:{connection}`; one of a kind
    feed: str
    venue: str
    url: str
    rest_url: str  # "": nothing can be asked for
    topics: tuple[Topic, ...]
    book_snapshot_every_s: float | None = None
    legs: tuple[LegPlan, ...] = (LegPlan(),)
    max_age_s: float | None = None  # a socket is replaced before; None: it stays
    impersonate: str | None = None
    ca_file: str | None = None
    verify: bool = True

    @property
    def rest_leg(self) -> LegPlan:
        """By which way the REST interface is asked."""
        return self.legs[0]


class SpoolPlan(Struct, frozen=True, kw_only=True):
    """One worker's share of the spool."""

    directory: str
    max_bytes: int
    max_age_s: float | None
    fsync_s: float | None


class WorkerPlan(Struct, frozen=True, kw_only=True):
    """Everything one worker process needs to know."""

    worker: int  # from 0
    connections: tuple[ConnectionPlan, ...]
    redis: RedisConfig  # `url` filled in
    reconnect: ReconnectConfig
    websocket: WebSocketConfig
    shutdown: ShutdownConfig
    when_slow: WhenSlowConfig = WhenSlowConfig()
    spool: SpoolPlan | None = None  # None: what is not acknowledged waits in memory only
    log_level: LogLevel = "info"
    log_format: LogFormat = "console"

    @property
    def topics(self) -> int:
        """How many topics, and so streams of market data, the worker has."""
        return sum(len(connection.topics) for connection in self.connections)


class Plan(Struct, frozen=True, kw_only=True):
    """The whole service; `notes` are for a person, where the plan differs from the config."""

    workers: tuple[WorkerPlan, ...]
    notes: tuple[str, ...] = ()


# What feeds with a selector have come to, by the feed's name.
Selected = Mapping[str, Sequence[Instrument]]


def make_plan(
    config: Config,
    *,
    cores: int,
    redis_url: str,
    log_format: LogFormat = "console",
    selected: Selected | None = None,
) -> Plan:
    """Split the feeds into connections and deal these out to workers.

    *redis_url* is `config.redis.url`, or that of the embedded server. A feed
    never shares a connection with another one: it is the unit of isolation.

    A stream has one writer: of those that a selector shares with a feed that lists
    them, or with a selector further up, it has none.
    """
    chosen, left_out = feed_topics(config, selected or {})
    connections = [
        c for feed in config.feeds for c in _connections(config, feed, chosen[feed.name])
    ]
    wanted = cores if config.workers == "auto" else config.workers
    processes = max(1, min(wanted, len(connections)))
    notes = [*left_out, *unverified_redis(redis_url), *notes_on(connections)]
    if config.workers != "auto" and processes < config.workers:
        notes.append(
            f"workers is {config.workers}, but there is nothing to do for more than {processes}: "
            f"{len(connections)} connection{'s' if len(connections) > 1 else ''} in all"
        )
    workers = [
        WorkerPlan(
            worker=index,
            connections=tuple(share),
            redis=structs.replace(config.redis, url=redis_url),
            reconnect=config.reconnect,
            websocket=config.websocket,
            shutdown=config.shutdown,
            when_slow=config.when_slow,
            log_level=config.log.level,
            log_format=log_format,
        )
        for index, share in enumerate(deal(connections, processes))
    ]
    return Plan(workers=tuple(workers), notes=tuple(notes))


def deal(connections: Sequence[ConnectionPlan], workers: int) -> list[list[ConnectionPlan]]:
    """Deal connections out to *workers*, at most as many as there are connections.

    The largest go first, each to the worker with the fewest topics so far; so no
    two workers differ by more than the largest connection's topics, and none is
    left without a connection.
    """
    shares: list[list[int]] = [[] for _ in range(workers)]
    loads = [0] * workers
    by_size = sorted(range(len(connections)), key=lambda i: (-len(connections[i].topics), i))
    for i in by_size:
        lightest = min(range(workers), key=lambda w: (loads[w], len(shares[w]), w))
        shares[lightest].append(i)
        loads[lightest] += len(connections[i].topics)
    return [[connections[i] for i in sorted(share)] for share in shares]


def split_evenly(topics: Sequence[Topic], limit: int) -> list[tuple[Topic, ...]]:
    """Split into as few parts of at most *limit* as it takes, equal but for one topic."""
    parts = -(-len(topics) // limit)
    size, larger = divmod(len(topics), parts)
    bounds = [part * size + min(part, larger) for part in range(parts + 1)]
    return [tuple(topics[a:b]) for a, b in pairwise(bounds)]


def connection_url(configured: str | None, own: str, path: str = "") -> str:
    """Return the URL to connect to, given the config's and the venue's own.

    *path*: of the venue's several, the one that serves the topics; "": its usual one.
    A URL without a path (`ws://127.0.0.1:9000`) names only the server: the
    venue's path follows. One that ends in the venue's usual path has *path* in its
    place; any other is taken as it is.
    """
    if configured is None:
        return _at_path(own, path)
    given, theirs = urlsplit(configured), urlsplit(own)
    if not given.path.strip("/") and not given.query:
        return urlunsplit((given.scheme, given.netloc, path or theirs.path, theirs.query, ""))
    if path and theirs.path.strip("/") and given.path.endswith(theirs.path):
        return _at_path(configured, given.path.removesuffix(theirs.path) + path)
    return configured


def unverified_redis(url: str) -> list[str]:
    """Return what a person should know of the way to Redis."""
    weak = unverified(url)
    return [f"redis.url has {weak}: who answers there is not checked"] if weak else []


def notes_on(connections: Sequence[ConnectionPlan]) -> list[str]:
    """Return what a person should know of these connections."""
    return [
        *_unverified(connections),
        *_without_snapshots(connections),
        *_beyond_limits(connections),
    ]


def _unverified(connections: Sequence[ConnectionPlan]) -> list[str]:
    names = {c.venue for c in connections if not (c.verify or c.ca_file)}
    return [
        f"venues.{name}.verify is false: whoever is on the way can read and change what it sends"
        for name in sorted(names)
    ]


def _without_snapshots(connections: Sequence[ConnectionPlan]) -> list[str]:
    names = {
        connection.venue
        for connection in connections
        for topic in connection.topics
        for rule in (venues.get(connection.venue).books.get(topic.channel),)
        if rule is not None and rule.rest is not None and not connection.rest_url
    }
    return [
        f"venues.{name} has a ws_url and no rest_url: its books have no snapshots"
        for name in sorted(names)
    ]


def _beyond_limits(connections: Sequence[ConnectionPlan]) -> list[str]:
    """Tell what one address cannot have; which part of it is refused, the venue decides."""
    by_venue: dict[str, list[ConnectionPlan]] = {}
    for connection in connections:
        by_venue.setdefault(connection.venue, []).append(connection)
    notes = []
    for name, own in by_venue.items():
        limits = venues.get(name).limits
        topics = sum(
            len({topic.name for topic in connection.topics}) * len(connection.legs)
            for connection in own
        )
        sockets = sum(len(connection.legs) for connection in own)
        for what, wanted, most in (
            ("topics", topics, limits.topics_per_host),
            ("connections", sockets, limits.connections_per_host),
        ):
            if most is not None and wanted > most:
                notes.append(f"{name} allows one address {most} {what}; these are {wanted}")
    return notes


def rest_url(settings: VenueConfig, venue: Venue) -> str:
    """Return where the REST interface is, "" if only the WebSocket was given another place.

    Snapshots of one place do not fit the updates of another.
    """
    if settings.rest_url is None and settings.ws_url is not None:
        return ""
    return settings.rest_url or venue.rest_url


def _at_path(url: str, path: str) -> str:
    """Return *url* with another path, for a venue that serves its topics at several."""
    return urlunsplit(urlsplit(url)._replace(path=path)) if path else url


def feed_topics(
    config: Config, selected: Selected
) -> tuple[dict[str, list[Topic]], tuple[str, ...]]:
    """Return each feed's topics by its name, and notes on what of selectors is left out."""
    chosen: dict[str, list[Topic]] = {}
    writers: dict[str, str] = {}  # of a stream, by its key
    notes: list[str] = []
    # Those that list their instruments first, wherever they stand.
    for feed in config.feeds:
        if not isinstance(feed.instruments, Selector):
            venue = venues.get(feed.venue)
            # An instrument's channels stay together, so a lost connection costs few.
            chosen[feed.name] = [
                venue.topic(channel, instrument)
                for instrument in feed.instruments
                for channel in feed.channels
            ]
            for topic in chosen[feed.name]:
                writers[_key(config, feed, topic)] = feed.name
    for feed in config.feeds:
        if isinstance(feed.instruments, Selector):
            if feed.name not in selected:
                raise TypeError(f"feed {feed.name}: its selector must be resolved before planning")
            chosen[feed.name] = _selected_topics(config, feed, selected[feed.name], writers, notes)
    return chosen, tuple(notes)


def _key(config: Config, feed: FeedConfig, topic: Topic) -> str:
    encoder = codecs.encoder(config.redis.encoding)
    stream = Stream(feed.venue, topic.channel, topic.instrument)
    return codecs.stream_key(encoder, config.redis.key, stream)


def _selected_topics(
    config: Config,
    feed: FeedConfig,
    instruments: Sequence[Instrument],
    writers: dict[str, str],
    notes: list[str],
) -> list[Topic]:
    venue = venues.get(feed.venue)
    topics: list[Topic] = []
    impossible: list[str] = []
    elsewhere: dict[str, int] = {}
    for instrument in instruments:
        for channel in feed.channels:
            try:
                topic = _listed_topic(venue, channel, instrument)
            except ValueError as exc:
                impossible.append(f"{channel} of {instrument.name} ({exc})")
                continue
            writer = writers.setdefault(_key(config, feed, topic), feed.name)
            if writer == feed.name:
                topics.append(topic)
            else:
                elsewhere[writer] = elsewhere.get(writer, 0) + 1
    for writer, streams in elsewhere.items():
        notes.append(f"{feed.name} leaves {streams} of the streams it selects to {writer}")
    if impossible:
        more = f" and {len(impossible) - 1} more" if len(impossible) > 1 else ""
        notes.append(f"{feed.name} leaves out {impossible[0]}{more}")
    return topics


def _listed_topic(venue: Venue, channel: str, instrument: Instrument) -> Topic:
    """As `Venue.topic`, of something that the venue lists."""
    symbol = venue.to_symbol(instrument.name)
    if symbol != instrument.symbol:
        raise ValueError(f"the venue lists it as {instrument.symbol}, not as {symbol}")
    return venue.topic(channel, instrument.name)


def more_connections(
    config: Config, feed: FeedConfig, topics: Sequence[Topic], names: Sequence[str]
) -> list[ConnectionPlan]:
    """Return connections for topics that come to a feed later, with none of the *names*."""
    taken = set(names)
    found = _connections(config, feed, topics)
    if not taken.intersection(connection.name for connection in found):
        return found
    numbers = (number for number in count(2) if f"{feed.name}.{number}" not in taken)
    return [
        structs.replace(connection, name=f"{feed.name}.{number}")
        for connection, number in zip(found, numbers, strict=False)
    ]


def one_connection(config: Config, feed: FeedConfig, topic: Topic) -> ConnectionPlan:
    """Return a connection of *feed* with that topic alone, as `make_plan` has it."""
    [connection] = _connections(config, feed, [topic])
    return connection


def _connections(
    config: Config, feed: FeedConfig, topics_of_feed: Sequence[Topic]
) -> list[ConnectionPlan]:
    venue, settings = venues.get(feed.venue), config.venue(feed.venue)
    own_limit = venue.limits.topics_per_connection
    limit = min(settings.topics_per_connection or own_limit, own_limit)
    by_path: dict[str, list[Topic]] = {}
    for topic in topics_of_feed:
        by_path.setdefault(topic.path, []).append(topic)
    parts = [
        (path, part) for path, topics in by_path.items() for part in split_evenly(topics, limit)
    ]
    return [
        ConnectionPlan(
            name=feed.name if len(parts) == 1 else f"{feed.name}.{number}",
            feed=feed.name,
            venue=venue.name,
            url=connection_url(settings.ws_url, venue.ws_url, path),
            rest_url=rest_url(settings, venue),
            topics=part,
            book_snapshot_every_s=feed.book_snapshot_every_s,
            legs=_legs(settings, feed.redundancy),
            max_age_s=_max_age_s(settings, venue),
            impersonate=settings.impersonate,
            ca_file=settings.ca_file,
            verify=settings.verify,
        )
        for number, (path, part) in enumerate(parts, start=1)
    ]


def _legs(settings: VenueConfig, count: int) -> tuple[LegPlan, ...]:
    return tuple(
        LegPlan(proxy=settings.proxy_of(leg), source_address=settings.source_address_of(leg))
        for leg in range(count)
    )


def _max_age_s(settings: VenueConfig, venue: Venue) -> float | None:
    ages_s = [age for age in (settings.max_age_s, venue.limits.max_age_s) if age is not None]
    return min(ages_s, default=None)

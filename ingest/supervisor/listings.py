"""What selectors mean: at the start, and ever after as venues list new instruments."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from msgspec import structs

from ingest import venues
from ingest.config.schema import Config, FeedConfig, Selector
from ingest.config.selectors import resolve_selector
from ingest.errors import DecodeError, IngestError, RestError
from ingest.instruments import InstrumentSource, Listing
from ingest.instruments.source import get_all
from ingest.plan import ConnectionPlan, Plan, Selected, feed_topics, more_connections
from ingest.supervisor.homes import Homes
from ingest.venues.base import Instrument, Topic

_log = structlog.get_logger(__name__)

_EXAMPLES = 5
_EDGE = 10  # a part of this many of a selector's top is near enough to stay


async def select(config: Config, source: InstrumentSource) -> dict[str, list[Instrument]]:
    """Return what each feed with a selector selects now, by the feed's name.

    Raises:
        IngestError: a venue's list is not to be had, or a selector selects nothing.
    """
    feeds = selecting_feeds(config)
    found, errors = await get_all(source, {feed.venue for feed in feeds})
    for error in errors.values():
        raise IngestError(f"{error}; nothing can be selected, and nothing is kept on disk")
    return {feed.name: resolve(feed, found[feed.venue].listing) for feed in feeds}


def selecting_feeds(config: Config) -> list[FeedConfig]:
    """Return the feeds that have a selector."""
    return [feed for feed in config.feeds if isinstance(feed.instruments, Selector)]


def resolve(feed: FeedConfig, listing: Listing) -> list[Instrument]:
    """As `resolve_selector`, of one feed.

    Raises:
        IngestError: its selector selects nothing.
    """
    assert isinstance(feed.instruments, Selector)
    try:
        return resolve_selector(feed.instruments, listing.by_name.values())
    except ValueError as exc:
        raise IngestError(
            f"feed {feed.name}: {exc}, of {len(listing)} instruments of {feed.venue}"
        ) from exc


class Follower:
    """Follows what selectors come to mean while the service runs.

    What they mean anew gets connections of its own; what they mean no longer is left,
    on the connection it is on. Everything else goes on untouched.

    An instrument is left once two looks in a row do not have it: not listed, not traded,
    or no match, or in a ranking further behind the top than a tenth of it. One at the
    edge would otherwise come and go.
    """

    def __init__(
        self,
        config: Config,
        source: InstrumentSource,
        plan: Plan,
        selected: Selected,
        add: Callable[[ConnectionPlan], int],
        remove: Callable[[str, Sequence[Topic], str], None],
        *,
        homes: Homes | None = None,
        settled: Callable[[], bool] = lambda: True,
    ) -> None:
        """*add*, *remove*, *homes* and *settled*: as `Supervisor`'s."""
        self._config = config
        self._source = source
        self._add = add
        self._remove = remove
        connections = [c for worker in plan.workers for c in worker.connections]
        self._homes = homes or Homes(plan.workers)
        self._settled = settled
        self._names = self._homes.names
        # Each topic of a venue, and the feed and the connection that have it.
        self._planned: dict[tuple[str, Topic], tuple[str, str]] = {}
        chosen, _ = feed_topics(config, selected)
        owners = {
            (feed.venue, topic): feed.name for feed in config.feeds for topic in chosen[feed.name]
        }
        for connection in connections:
            for topic in connection.topics:
                key = connection.venue, topic
                self._planned[key] = owners[key], connection.name
        self._known = {name: {i.name: i for i in found} for name, found in selected.items()}
        self._missed: dict[str, set[str]] = {name: set() for name in selected}
        self._left: set[tuple[str, Topic]] = set()  # in this round

    def known(self, feed: str) -> list[Instrument]:
        """Return what a feed's selector has come to mean."""
        return list(self._known[feed].values())

    async def run(self) -> None:
        """Check the names that feeds list, then look at what selectors select, again and again."""
        await self._check_names()
        every_s = self._config.instruments.refresh_s
        feeds = selecting_feeds(self._config)
        while every_s is not None and feeds:
            await asyncio.sleep(every_s)
            for name in dict.fromkeys(feed.venue for feed in feeds):
                try:
                    listing = await self._source.fetch(name)
                except (RestError, DecodeError) as exc:
                    # A wrong list could only be an old one: what runs goes on.
                    _log.warning("instruments: not refreshed", venue=name, error=str(exc))
                    continue
                self.look([feed for feed in feeds if feed.venue == name], listing)

    def look(self, feeds: Sequence[FeedConfig], listing: Listing) -> None:
        """Compare what a venue's feeds select in *listing* with what they have."""
        self._left.clear()
        for feed in feeds:
            try:
                found = resolve(feed, listing)
                near = {instrument.name for instrument in resolve(_wider(feed), listing)}
            except IngestError as exc:
                _log.warning("instruments: nothing is selected any more", error=str(exc))
                continue
            missed = set(self._known[feed.name]) - near
            gone = missed & self._missed[feed.name]
            self._missed[feed.name] = missed - gone
            self._known[feed.name].update((instrument.name, instrument) for instrument in found)
            self._leave(feed, gone, listing)
            self._join(feed)

    def _join(self, feed: FeedConfig) -> None:
        """Add connections for what a feed has come to mean."""
        chosen, _ = feed_topics(
            self._config, {name: list(known.values()) for name, known in self._known.items()}
        )
        topics = [
            topic
            for topic in chosen[feed.name]
            # What another feed has just left still has its writer: next time.
            if (feed.venue, topic) not in self._planned and (feed.venue, topic) not in self._left
        ]
        if not self._settled():
            return  # what is on disk may be theirs: with the next look
        for part in self._homes.apart(feed.venue, topics).values():
            for connection in more_connections(self._config, feed, part, self._names):
                self._names.append(connection.name)
                self._take(connection)
                _log.info(
                    "instruments: selected anew",
                    feed=feed.name,
                    connection=connection.name,
                    worker=self._add(connection),
                    topics=len(connection.topics),
                    names=_some(sorted({topic.instrument for topic in connection.topics})),
                )

    def _take(self, connection: ConnectionPlan) -> None:
        for topic in connection.topics:
            self._planned[connection.venue, topic] = connection.feed, connection.name

    def _leave(self, feed: FeedConfig, gone: set[str], listing: Listing) -> None:
        """Have connections leave the instruments *gone*, and say why."""
        leaving: dict[tuple[str, str], list[Topic]] = {}
        for (venue, topic), (owner, connection) in list(self._planned.items()):
            if owner == feed.name and topic.instrument in gone:
                del self._planned[venue, topic]
                self._left.add((venue, topic))
                reason = _why_gone(topic.instrument, listing)
                leaving.setdefault((connection, reason), []).append(topic)
        for name in gone:
            del self._known[feed.name][name]
        for (connection, reason), topics in leaving.items():
            self._remove(connection, topics, reason)
            _log.info(
                "instruments: no longer selected",
                feed=feed.name,
                connection=connection,
                reason=reason,
                topics=len(topics),
                names=_some(sorted({topic.instrument for topic in topics})),
            )

    async def _check_names(self) -> None:
        """Say in the log which names of the config a venue does not list: they will be silent."""
        listed: dict[str, list[FeedConfig]] = {}
        for feed in self._config.feeds:
            if not isinstance(feed.instruments, Selector) and self._is_asked(feed.venue):
                listed.setdefault(feed.venue, []).append(feed)
        found, errors = await get_all(self._source, set(listed))
        for name, error in errors.items():
            _log.warning("instruments: names are not checked", venue=name, error=str(error))
        for name, answer in found.items():
            for feed in listed[name]:
                _check_feed(feed, answer.listing)

    def _is_asked(self, name: str) -> bool:
        """Not where the config puts something else in the venue's place, but says no REST."""
        settings = self._config.venue(name)
        elsewhere = settings.ws_url is not None and settings.rest_url is None
        return venues.get(name).instruments is not None and not elsewhere


def _wider(feed: FeedConfig) -> FeedConfig:
    """Return *feed* with what is just behind its top."""
    selector = feed.instruments
    assert isinstance(selector, Selector)
    if selector.top is None:
        return feed
    more = structs.replace(selector, top=selector.top + -(-selector.top // _EDGE))
    return structs.replace(feed, instruments=more)


def _why_gone(name: str, listing: Listing) -> str:
    instrument = listing.by_name.get(name)
    if instrument is None:
        return "delisted"
    return "unselected" if instrument.trading else "not_trading"


def _check_feed(feed: FeedConfig, listing: Listing) -> None:
    assert not isinstance(feed.instruments, Selector)
    unknown = [name for name in feed.instruments if name not in listing.by_name]
    resting = [
        name
        for name in feed.instruments
        if name in listing.by_name and not listing.by_name[name].trading
    ]
    for names, event in (
        (unknown, "instruments: the venue does not list what the config names"),
        (resting, "instruments: listed, but not traded now"),
    ):
        if names:
            _log.warning(event, feed=feed.name, instruments=len(names), names=_some(names))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
    return ", ".join(names[:_EXAMPLES]) + more

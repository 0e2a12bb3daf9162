"""What selectors mean: at the start, and ever after as venues list new instruments."""

import asyncio
from collections.abc import Callable

import structlog

from ingest import venues
from ingest.config.schema import Config, FeedConfig, Selector
from ingest.config.selectors import resolve_selector
from ingest.errors import DecodeError, IngestError, RestError
from ingest.instruments import InstrumentSource, Listing
from ingest.instruments.source import get_all
from ingest.plan import ConnectionPlan, Plan, Selected, feed_topics, more_connections
from ingest.venues.base import Instrument

_log = structlog.get_logger(__name__)

_EXAMPLES = 5


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
    """Adds connections for what selectors come to mean while the service runs.

    What is running is not touched: no connection is closed for it, so nothing is lost.
    What is no longer selected (delisted, or not in the top any more) is said in the
    log, and stays subscribed until the service is started again.
    """

    def __init__(
        self,
        config: Config,
        source: InstrumentSource,
        plan: Plan,
        selected: Selected,
        add: Callable[[ConnectionPlan], int],
    ) -> None:
        self._config = config
        self._source = source
        self._add = add
        connections = [c for worker in plan.workers for c in worker.connections]
        self._names = [connection.name for connection in connections]
        self._planned = {
            (connection.venue, topic.channel, topic.instrument)
            for connection in connections
            for topic in connection.topics
        }
        # All that was ever selected, and what was at the last look.
        self._known = {name: {i.name: i for i in found} for name, found in selected.items()}
        self._latest = {name: set(found) for name, found in self._known.items()}

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
                for feed in feeds:
                    if feed.venue == name:
                        self.look(feed, listing)

    def look(self, feed: FeedConfig, listing: Listing) -> None:
        """Compare what a feed selects in *listing* with what it has."""
        try:
            found = {instrument.name: instrument for instrument in resolve(feed, listing)}
        except IngestError as exc:
            _log.warning("instruments: nothing is selected any more", error=str(exc))
            return
        gone = sorted(self._latest[feed.name] - set(found))
        self._latest[feed.name] = set(found)
        if gone:
            _log.info(
                "instruments: no longer selected; subscribed until the next start",
                feed=feed.name,
                instruments=len(gone),
                names=_some(gone),
            )
        self._known[feed.name].update(found)
        chosen, _ = feed_topics(
            self._config, {name: list(known.values()) for name, known in self._known.items()}
        )
        topics = [
            topic
            for topic in chosen[feed.name]
            if (feed.venue, topic.channel, topic.instrument) not in self._planned
        ]
        for connection in more_connections(self._config, feed, topics, self._names):
            self._names.append(connection.name)
            self._planned.update((feed.venue, t.channel, t.instrument) for t in connection.topics)
            _log.info(
                "instruments: selected anew",
                feed=feed.name,
                connection=connection.name,
                worker=self._add(connection),
                topics=len(connection.topics),
                names=_some(sorted({topic.instrument for topic in connection.topics})),
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

"""From what runs and a new config to what has to change. Pure.

A subscription stays where it is as long as the way to its venue is the same, whatever
the feed is called that asks for it now.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from ingest.config.schema import Config, FeedConfig
from ingest.plan import ConnectionPlan, WorkerPlan, more_connections, one_connection
from ingest.supervisor.homes import Homes
from ingest.venues.base import Topic
from ingest.worker.start import Change, Less, More

# What is the same for all of a process, or for the files it has open.
_FIXED = (
    *("redis", "spool", "when_slow", "workers", "reconnect", "websocket"),
    *("shutdown", "metrics", "data_dir"),
)
_SHOWN = 3  # topics by name, of each line


class ForWorker(NamedTuple):
    """What one worker is to be told, and for how many connections that are new."""

    worker: int
    message: Less | Change | More


class Changes(Struct, frozen=True, kw_only=True):
    """What has to be told, in this order, and what there is afterwards."""

    messages: tuple[ForWorker, ...]
    plans: Mapping[int, WorkerPlan]

    @property
    def newcomers(self) -> list[ConnectionPlan]:
        """The connections that there were not."""
        return [m.connection for _, m in self.messages if isinstance(m, More)]

    def lines(self) -> list[str]:
        """Say it for a person, a line each."""
        said = [_line(worker, message) for worker, message in self.messages]
        new = {m.connection.name for _, m in self.messages if not isinstance(m, Less)}
        old = [c for plan in self.plans.values() for c in plan.connections if c.name not in new]
        topics = sum(len(connection.topics) for connection in old)
        return [
            *said,
            f"untouched: {_count(topics, 'topic')} on {_count(len(old), 'connection')}",
        ]


def needs_restart(old: Config, new: Config) -> list[str]:
    """Return the keys that differ and cannot change while the service runs."""
    return [key for key in _FIXED if getattr(old, key) != getattr(new, key)]


def compare(
    config: Config,
    chosen: Mapping[str, Sequence[Topic]],
    plans: Mapping[int, WorkerPlan],
    homes: Homes,
) -> Changes:
    """Compare what runs, *plans*, with what is wanted: *config*, and *chosen* by its feeds."""
    wanted = {(feed.venue, topic): feed for feed in config.feeds for topic in chosen[feed.name]}
    ways = _Ways(config)
    messages: list[ForWorker] = []
    after: dict[int, WorkerPlan] = {}
    placed: set[tuple[str, Topic]] = set()
    for worker, plan in plans.items():
        connections: list[ConnectionPlan] = []
        for old in plan.connections:
            new, told = _compare_one(old, wanted, ways)
            messages += [ForWorker(worker, message) for message in told]
            if new is not None:
                connections.append(new)
                placed.update((new.venue, topic) for topic in new.topics)
        after[worker] = structs.replace(plan, connections=tuple(connections))
    names = homes.names
    for feed in config.feeds:
        missing = [t for t in chosen[feed.name] if (feed.venue, t) not in placed]
        for home, topics in homes.apart(feed.venue, missing).items():
            for connection in more_connections(config, feed, topics, names):
                names.append(connection.name)
                worker = lightest(after.values()) if home is None else home
                after[worker] = with_connection(after[worker], connection)
                messages.append(ForWorker(worker, More(connection)))
    # Less before More, of all connections: a stream is left before another takes it.
    return Changes(messages=tuple(messages), plans=after)


def lightest(plans: Iterable[WorkerPlan]) -> int:
    """Return the worker with the fewest topics."""
    return min(plans, key=lambda plan: (plan.topics, plan.worker)).worker


def with_connection(plan: WorkerPlan, connection: ConnectionPlan) -> WorkerPlan:
    """Return the plan with one connection more."""
    return structs.replace(plan, connections=(*plan.connections, connection))


class _Ways:
    """How each feed's topics are reached: a connection without name and topics."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._found: dict[tuple[str, str], ConnectionPlan] = {}

    def of(self, feed: FeedConfig, topic: Topic) -> ConnectionPlan:
        way = self._found.get((feed.name, topic.path))
        if way is None:
            way = self._found[feed.name, topic.path] = _way(
                one_connection(self._config, feed, topic)
            )
        return way


def _way(connection: ConnectionPlan) -> ConnectionPlan:
    return structs.replace(connection, name="", feed="", topics=())


def _compare_one(
    old: ConnectionPlan, wanted: Mapping[tuple[str, Topic], FeedConfig], ways: _Ways
) -> tuple[ConnectionPlan | None, list[Less | Change | More]]:
    """Return what becomes of a connection, None if it ends, and what it is told."""
    by_way: dict[ConnectionPlan, list[Topic]] = {}
    unwanted: list[Topic] = []
    for topic in old.topics:
        feed = wanted.get((old.venue, topic))
        if feed is None:
            unwanted.append(topic)
        else:
            by_way.setdefault(ways.of(feed, topic), []).append(topic)
    own = _way(old)
    way = own if own in by_way else max(by_way, key=lambda w: len(by_way[w]), default=own)
    stay = tuple(by_way.pop(way, ()))
    elsewhere = [topic for topics in by_way.values() for topic in topics]
    told: list[Less | Change | More] = [
        Less(old.name, tuple(topics), reason)
        for topics, reason in ((unwanted, "removed"), (elsewhere, "reloaded"))
        if topics
    ]
    if not stay:
        return None, told
    new = structs.replace(way, name=old.name, feed=old.feed, topics=stay)
    if way != own:
        told.append(Change(new))
    return new, told


def _line(worker: int, message: Less | Change | More) -> str:
    if isinstance(message, Less):
        return f"{message.reason}: {_topics(message.topics)} of {message.connection}"
    connection = message.connection
    what = "changed" if isinstance(message, Change) else "added"
    return f"{what}: {connection.name} in worker {worker}, {_topics(connection.topics)}"


def _topics(topics: Sequence[Topic]) -> str:
    shown = ", ".join(f"{topic.channel} {topic.instrument}" for topic in topics[:_SHOWN])
    more = ", …" if len(topics) > _SHOWN else ""
    return f"{_count(len(topics), 'topic')} ({shown}{more})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

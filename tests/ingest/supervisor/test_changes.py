"""`compare`: what has to be told so that what runs becomes what is wanted."""

from typing import Any

import pytest
from msgspec import structs

from ingest.config import Config, FeedConfig, VenueConfig
from ingest.config.schema import LogConfig, RedisConfig, ShutdownConfig
from ingest.plan import feed_topics, make_plan
from ingest.supervisor.changes import Changes, compare, needs_restart
from ingest.supervisor.homes import Homes
from ingest.worker.start import Change, Less, More


def feed(name: str, *instruments: str, **more: Any) -> FeedConfig:
    return FeedConfig(
        **{
            "venue": "binance",
            "channels": ("trade",),
            "instruments": tuple(f"{i}-USDT" for i in instruments),
            "name": name,
            **more,
        }
    )


class Running:
    """What a service has, reload after reload."""

    def __init__(self, *feeds: FeedConfig, workers: int = 2, **more: Any) -> None:
        config = Config(feeds=feeds, workers=workers, **more)
        plan = make_plan(config, cores=workers, redis_url="redis://h")
        self.plans = {worker.worker: worker for worker in plan.workers}
        self.homes = Homes(plan.workers)

    def reload(self, *feeds: FeedConfig, **more: Any) -> Changes:
        config = Config(feeds=feeds, workers=2, **more)
        chosen, _ = feed_topics(config, {})
        changes = compare(config, chosen, self.plans, self.homes)
        self.plans = dict(changes.plans)
        for worker, message in changes.messages:
            if isinstance(message, More):
                self.homes.note(message.connection, worker)
        return changes

    def now(self) -> dict[str, tuple[int, list[str]]]:
        """Worker and instruments of each connection."""
        return {
            c.name: (n, [t.instrument.removesuffix("-USDT") for t in c.topics])
            for n, plan in self.plans.items()
            for c in plan.connections
        }


def kinds(changes: Changes) -> list[type]:
    return [type(message) for _, message in changes.messages]


def test_nothing_changes() -> None:
    """Not even where feeds are called otherwise, or stand in another order."""
    running = Running(feed("a", "A", "B"), feed("b", "C"))
    before = running.plans
    for feeds in (
        (feed("a", "A", "B"), feed("b", "C")),
        (feed("b", "C"), feed("a", "B", "A")),
        (feed("b", "A"), feed("x", "B"), feed("y", "C")),
    ):
        changes = running.reload(*feeds)
        assert changes.messages == ()
        assert changes.lines() == ["untouched: 3 topics on 2 connections"]
        assert running.plans == before


def test_added_and_removed() -> None:
    """To the worker with the fewest topics; a connection that has none left ends."""
    running = Running(feed("a", "A", "B"), feed("b", "C"))
    changes = running.reload(feed("a", "A", "D"), feed("c", "E"))
    assert kinds(changes) == [Less, Less, More, More]
    assert [m.reason for _, m in changes.messages[:2]] == ["removed", "removed"]  # type: ignore[union-attr]
    assert running.now() == {"a": (0, ["A"]), "a.2": (1, ["D"]), "c": (0, ["E"])}


def test_a_stream_keeps_its_worker() -> None:
    """Whatever there is room for elsewhere, and however often it comes and goes."""
    running = Running(feed("a", "A", "B", "C"), feed("b", "D"))
    assert running.now() == {"a": (0, ["A", "B", "C"]), "b": (1, ["D"])}
    running.reload(feed("a", "A"), feed("b", "D"))
    running.reload(feed("a", "A", "C", "E"), feed("b", "D", "B"))
    # Worker 0 wrote B and C; E is anybody's, and the first feed's turn comes first.
    assert running.now() == {
        "a": (0, ["A"]),
        "a.2": (0, ["C"]),
        "a.3": (1, ["E"]),
        "b": (1, ["D"]),
        "b.2": (0, ["B"]),
    }


def test_names_are_not_used_twice() -> None:
    """A connection's own stream has one writer, too, and its worker may be another."""
    running = Running(feed("a", "A"), feed("b", "B"))
    running.reload(feed("b", "B"))
    running.reload(feed("b", "B"), feed("a", "C"))
    assert running.now()["a.2"] == (0, ["C"])


def test_another_way() -> None:
    """The connection is told, under its name, where it is; those of other venues are not."""
    okx = feed("o", "A", venue="okx")
    running = Running(feed("a", "A", "B"), okx)
    venues = {"binance": VenueConfig(proxy="http://h:1")}
    changes = running.reload(feed("a", "A", "B"), okx, venues=venues)
    [(worker, message)] = changes.messages
    assert isinstance(message, Change)
    assert (worker, message.connection.name, len(message.connection.topics)) == (0, "a", 2)
    assert running.plans[0].connections == (message.connection,)
    assert running.reload(feed("a", "A", "B"), okx, venues=venues).messages == ()
    # And fewer topics at the same time.
    changes = running.reload(feed("a", "A"), okx)
    assert kinds(changes) == [Less, Change]
    assert running.now()["a"] == (0, ["A"])


def test_a_part_of_a_connection_in_another_way() -> None:
    """That part leaves it for one of its own in the same worker."""
    more = {"channels": ("book",)}
    running = Running(feed("a", "A", "B", "C", **more), feed("b", "D"))
    changes = running.reload(
        feed("a", "A", "B", **more),
        feed("c", "C", book_snapshot_every_s=1.0, **more),
        feed("b", "D"),
    )
    assert kinds(changes) == [Less, More]
    assert changes.messages[0].message.reason == "reloaded"  # type: ignore[union-attr]
    assert running.now() == {"a": (0, ["A", "B"]), "c": (0, ["C"]), "b": (1, ["D"])}


def test_the_venues_limit_holds() -> None:
    """More topics than a connection may have go to several."""
    running = Running(feed("a", "A"))
    running.reload(
        feed("a", "A", "B", "C", "D"), venues={"binance": VenueConfig(topics_per_connection=2)}
    )
    assert sorted(len(topics) for _, topics in running.now().values()) == [1, 1, 2]


def test_in_words() -> None:
    running = Running(feed("a", "A", "B"))
    lines = running.reload(feed("a", "A", *"CDEF")).lines()
    assert lines == [
        "removed: 1 topic (trade B-USDT) of a",
        "added: a.2 in worker 0, 4 topics (trade C-USDT, trade D-USDT, trade E-USDT, …)",
        "untouched: 1 topic on 1 connection",
    ]


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({}, []),
        ({"feeds": (feed("b", "B"),), "log": LogConfig(level="debug")}, []),
        ({"venues": {"binance": VenueConfig(verify=False)}}, []),
        ({"redis": RedisConfig(maxlen=7), "data_dir": "/other"}, ["redis", "data_dir"]),
        ({"workers": 3, "shutdown": ShutdownConfig(grace_s=1)}, ["workers", "shutdown"]),
    ],
)
def test_what_needs_a_restart(change: dict[str, Any], keys: list[str]) -> None:
    """Every key of the config is either here or can change while it runs."""
    config = Config(feeds=(feed("a", "A"),))
    assert needs_restart(config, structs.replace(config, **change)) == keys

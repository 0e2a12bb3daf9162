"""A new config for a service that runs: by difference, or not at all."""

import asyncio
from collections.abc import Callable

import structlog
from msgspec import structs

from ingest import logging
from ingest.config.schema import Config
from ingest.errors import ConfigError, IngestError
from ingest.instruments import InstrumentSource
from ingest.plan import Plan, Selected, feed_topics, notes_on
from ingest.supervisor.changes import Changes, compare, needs_restart
from ingest.supervisor.control import Answer
from ingest.supervisor.listings import Follower, select, selecting_feeds
from ingest.supervisor.supervisor import Supervisor
from ingest.venues.base import Instrument

_log = structlog.get_logger(__name__)


class Reloader:
    """Has the config that is in force, and follows its selectors."""

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        supervisor: Supervisor,
        source: InstrumentSource,
        selected: Selected,
    ) -> None:
        """*load* raises ConfigError."""
        self._config = config
        self._load = load
        self._supervisor = supervisor
        self._source = source
        self._one_at_a_time = asyncio.Lock()
        self._follow(config, source, selected)

    async def reload(self) -> Answer:
        """Go on as the file says now; where that cannot be, as before, and say why."""
        async with self._one_at_a_time:
            try:
                changes, notes = await self._change()
            except ConfigError as exc:
                answer = Answer(2, tuple(exc.problems))
            except IngestError as exc:
                answer = Answer(1, (str(exc),))
            else:
                lines = (*changes.lines(), *(f"note: {note}" for note in notes))
                _log.info("reload: done", changes=len(changes.messages), lines=lines)
                return Answer(0, lines)
        _log.error("reload: refused; the service goes on as before", problems=answer.lines)
        return answer

    async def close(self) -> None:
        """Follow no more."""
        self._following.cancel()
        await asyncio.wait([self._following])

    async def _change(self) -> tuple[Changes, list[str]]:
        # In a thread: a large file takes seconds, and signals must be heard.
        config = await asyncio.to_thread(self._load)
        if fixed := needs_restart(self._config, config):
            raise ConfigError(
                [f"{key} differs: that needs a restart of the service" for key in fixed]
            )
        source = self._source.with_config(config)
        # What is selected as before has its list, and its instruments at the edge of a top.
        same = self._selected_alike(config)
        anew = tuple(feed for feed in selecting_feeds(config) if feed.name not in same)
        found = await select(structs.replace(config, feeds=anew), source) if anew else {}
        # From here on nothing waits: what is compared is what there is.
        selected: dict[str, list[Instrument]] = {
            **found,
            **{name: self._follower.known(old) for name, old in same.items()},
        }
        chosen, notes = feed_topics(config, selected)
        supervisor = self._supervisor
        changes = compare(config, chosen, supervisor.plans, supervisor.homes)
        if changes.newcomers and not supervisor.settled:
            raise IngestError(
                "what an earlier run left on disk is not all in Redis yet, and may be of the "
                "streams that come: nothing is changed; try again"
            )
        supervisor.apply(changes)
        if config.log.level != self._config.log.level:
            logging.set_level(config.log.level)
            supervisor.set_level(config.log.level)
        self._config, self._source = config, source
        self._following.cancel()
        self._follow(config, source, selected)
        connections = [c for plan in changes.plans.values() for c in plan.connections]
        return changes, [*notes, *notes_on(connections)]

    def _selected_alike(self, config: Config) -> dict[str, str]:
        """Return the feeds that select what one does now, each with that one's name."""
        now = {(feed.venue, feed.instruments): feed.name for feed in selecting_feeds(self._config)}
        return {
            feed.name: now[feed.venue, feed.instruments]
            for feed in selecting_feeds(config)
            if (feed.venue, feed.instruments) in now
        }

    def _follow(self, config: Config, source: InstrumentSource, selected: Selected) -> None:
        supervisor = self._supervisor
        self._follower = Follower(
            config,
            source,
            Plan(workers=tuple(supervisor.plans.values())),
            selected,
            supervisor.add,
            supervisor.remove,
            homes=supervisor.homes,
            settled=lambda: supervisor.settled,
        )
        self._following = asyncio.create_task(_follow(self._follower))


async def _follow(follower: Follower) -> None:
    """A mistake of ours there must not end what runs, and must be seen."""
    try:
        await follower.run()
    except Exception:  # noqa: BLE001  whatever it is, the feeds go on
        _log.exception("instruments: no longer followed")

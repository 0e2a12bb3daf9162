"""What a worker is told: at its start, and later."""

from msgspec import Struct

from ingest.config.schema import LogLevel
from ingest.limits import Go
from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.venues.base import Topic


class WorkerStart(Struct, frozen=True, kw_only=True):
    """The first line on a worker's standard input."""

    plan: WorkerPlan
    restarts: int = 0  # how often an earlier process of this worker died


class More(Struct, frozen=True, tag="more"):
    """One connection more, from now on."""

    connection: ConnectionPlan


class Less(Struct, frozen=True, tag="less"):
    """Topics that a connection is to leave; with its last ones it ends itself."""

    connection: str  # its name
    topics: tuple[Topic, ...]
    reason: str  # for the streams' readers


class Change(Struct, frozen=True, tag="change"):
    """A connection, by its name, is to be reached in another way from now on."""

    connection: ConnectionPlan  # with the topics that it has


class Level(Struct, frozen=True, tag="level"):
    """What is logged from now on."""

    level: LogLevel


# What may follow the first line, once the worker has reported: one line each.
FromSupervisor = Go | More | Less | Change | Level

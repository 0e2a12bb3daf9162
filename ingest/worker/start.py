"""What a worker is told: at its start, and later."""

from msgspec import Struct

from ingest.limits import Go
from ingest.plan import ConnectionPlan, WorkerPlan


class WorkerStart(Struct, frozen=True, kw_only=True):
    """The first line on a worker's standard input."""

    plan: WorkerPlan
    restarts: int = 0  # how often an earlier process of this worker died


class More(Struct, frozen=True, tag="more"):
    """One connection more, from now on."""

    connection: ConnectionPlan


# What may follow the first line, once the worker has reported: one line each.
FromSupervisor = Go | More

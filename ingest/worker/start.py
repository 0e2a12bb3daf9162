"""What a worker is told when it starts."""

from msgspec import Struct

from ingest.plan import WorkerPlan


class WorkerStart(Struct, frozen=True, kw_only=True):
    """The first line on a worker's standard input."""

    plan: WorkerPlan
    restarts: int = 0  # how often an earlier process of this worker died

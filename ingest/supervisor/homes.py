"""Which worker writes a stream: the same one for as long as the service runs.

What it has not sent yet, in memory or on disk, has to come before what follows. So what
a stream's subscription becomes, it stays with that worker; also when it comes back after
it was left.
"""

from collections.abc import Iterable, Sequence

from ingest.plan import ConnectionPlan, WorkerPlan
from ingest.venues.base import Topic


class Homes:
    """Grows with the streams that a run has had. Pure."""

    def __init__(self, plans: Iterable[WorkerPlan] = ()) -> None:
        self._streams: dict[tuple[str, Topic], int] = {}
        self._names: dict[str, None] = {}  # in order
        for plan in plans:
            for connection in plan.connections:
                self.note(connection, plan.worker)

    def note(self, connection: ConnectionPlan, worker: int) -> None:
        """A connection is that worker's."""
        self._names[connection.name] = None
        for topic in connection.topics:
            self._streams.setdefault((connection.venue, topic), worker)

    @property
    def names(self) -> list[str]:
        """Every name that a connection has had; it names a stream as well."""
        return list(self._names)

    def of(self, venue: str, topic: Topic) -> int | None:
        """Return the worker that writes a stream; None: nobody did."""
        return self._streams.get((venue, topic))

    def apart(self, venue: str, topics: Sequence[Topic]) -> dict[int | None, list[Topic]]:
        """Return *topics* by the worker that has to have them; None: any."""
        parts: dict[int | None, list[Topic]] = {}
        for topic in topics:
            parts.setdefault(self.of(venue, topic), []).append(topic)
        return parts

"""How the sink's slowness reaches a connection, by the policy of its channels."""

from ingest.feed.ports import FeedSink
from ingest.plan import ConnectionPlan, WorkerPlan


class PressedSink:
    """The sink as a session sees it: when not to read on.

    With a channel under `block`, nothing of the connection is read while the sink is
    slow: its TCP connection fills, and the venue has to wait.
    """

    __slots__ = ("_blocks", "_sink")

    def __init__(self, sink: FeedSink, plan: ConnectionPlan, worker: WorkerPlan) -> None:
        self._sink = sink
        self._blocks = any(worker.when_slow.of(topic.channel) == "block" for topic in plan.topics)

    @property
    def full(self) -> bool:
        """Whether to stop reading."""
        return self._sink.full or (self._blocks and self._sink.slow)

    @property
    def slow(self) -> bool:
        """Whether the sink has to catch up."""
        return self._sink.slow

    async def wait_writable(self) -> None:
        """Return once there is no reason not to read."""
        await self._sink.wait_writable(caught_up=self._blocks)

"""What a monitor wants to know of a connection."""

from dataclasses import dataclass

from wscore.connection import Counters


@dataclass(frozen=True, slots=True)
class Stats:
    """Totals of a connection, and how full its queues are.

    Queue sizes are in messages; `unsent_bytes` are framed and not yet in the socket.
    """

    counters: Counters
    recv_queue_size: int
    send_queue_size: int
    unsent_bytes: int
    latency_s: float | None  # of the last answered ping; None if there was none

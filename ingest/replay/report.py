"""What a replay tells of itself: at the start, on request, at the end."""

from msgspec import Struct


class Started(Struct, omit_defaults=True):
    """The first line on stdout."""

    listen: str  # host:port
    urls: dict[str, str]  # venue → WebSocket URL
    rest: dict[str, str]  # venue → base URL, to which its REST paths are appended
    topics: int
    messages: int
    seconds: float  # the longest topic, as recorded
    speed: float | None  # None: max
    ca: str = ""  # with TLS: the file with the certificate that clients are to trust


class TopicReport(Struct):
    """One topic: `sent + missed + remaining` is what was recorded (without --loop)."""

    sent: int = 0  # messages written to at least one client
    deliveries: int = 0  # written, counted once per client
    missed: int = 0  # due while nobody listened
    remaining: int = 0
    subscribers: int = 0


class Report(Struct):
    """The answer of `/_replay/status`, and the last line on stdout."""

    finished: bool  # every topic ever subscribed is at its end
    topics: dict[str, dict[str, TopicReport]]  # venue → topic → report
    sent: int  # of all topics
    deliveries: int
    connections: int  # accepted so far
    open: int
    # Close code received from clients that closed first → count; 1006: the connection
    # was lost without a CLOSE.
    closes: dict[str, int]
    closed_by_server: int  # at the end, for silence, for reading too slowly
    too_slow: int  # of those: more unread than `max_backlog_bytes`
    rest_answers: int
    rest_missing: int

"""What the demo shows: a live table, and a summary at the end."""

import time
from collections.abc import Sequence

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.demo.reader import StreamReader


class Summary(Struct, frozen=True, kw_only=True):
    """The demo's result in numbers."""

    seconds: float
    speed: str
    sent: int  # data messages that the venue sent to us
    unsent: int  # recorded messages of the subscribed topics that it did not come to
    received: int  # data frames that became events
    published: int  # entries that Redis acknowledged
    read: int  # entries that the reader found in the streams
    streams: int
    worker_restarts: int
    status: int  # exit status of the service
    data_dir: str
    latency: tuple[float, float, float] | None  # p50, p99, max; seconds

    @property
    def complete(self) -> bool:
        """Whether everything that was sent is in Redis, once."""
        return self.sent == self.received and self.published == self.read and self.status == 0


class LiveTable:
    """Streams with their rates; `render` is called a few times a second."""

    def __init__(self, reader: StreamReader, rows: int) -> None:
        """*rows*: show at most so many streams, the busiest."""
        self._reader = reader
        self._rows = rows
        self._started = self._at = time.monotonic()
        self._before: dict[str, int] = {}
        self._rates: dict[str, float] = {}

    def render(self) -> RenderableType:
        """Return the table as it is now."""
        totals = self.totals()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
        table.add_column("STREAM", no_wrap=True, ratio=3)
        table.add_column("ENTRIES", justify="right")
        table.add_column("PER S", justify="right")
        table.add_column("NEWEST", no_wrap=True, ratio=2)
        streams = self._reader.streams
        busiest = sorted(streams, key=lambda key: -streams[key].entries)
        for key in sorted(busiest[: self._rows]):
            count = streams[key]
            table.add_row(
                Text(key),
                f"{count.entries:,}",
                f"{self._rates.get(key, 0.0):,.0f}",
                _newest(count.last),
            )
        return Group(table, "", totals)

    def _measure(self) -> None:
        now = time.monotonic()
        elapsed_s = now - self._at
        if elapsed_s < 0.9:  # a rate over less would flicker
            return
        counts = {key: count.entries for key, count in self._reader.streams.items()}
        self._rates = {
            key: (entries - self._before.get(key, 0)) / elapsed_s for key, entries in counts.items()
        }
        self._before, self._at = counts, now

    def totals(self) -> Text:
        """Return one line of totals."""
        self._measure()
        streams = len(self._reader.streams)
        total = sum(self._rates.values())
        seconds = time.monotonic() - self._started
        text = (
            f"{seconds:5.1f} s   {self._reader.entries:,} entries   {total:,.0f}/s   "
            f"{streams} streams"
        )
        latency = percentiles(self._reader.latencies_s)
        if latency is not None:
            text += f"   socket to reader p50 {_ms(latency[0])}  p99 {_ms(latency[1])}"
        return Text(text, style="bold")


def summary_text(summary: Summary) -> str:
    """Return the summary for a person."""
    unsent = f"{summary.unsent:,} not yet due" if summary.unsent else "all that were recorded"
    lines = [
        f"ingest demo: {summary.seconds:.1f} s of recorded traffic at speed {summary.speed}",
        f"  messages in    {summary.sent:>9,}  data messages sent by the venue, {unsent}",
        f"                 {summary.received:>9,}  received and decoded",
        f"  entries out    {summary.published:>9,}  acknowledged by Redis, "
        f"in {summary.streams} streams",
        f"                 {summary.read:>9,}  read back by a consumer",
    ]
    if summary.latency is not None:
        p50, p99, worst = map(_ms, summary.latency)
        lines.append(f"  latency        socket to consumer: p50 {p50}, p99 {p99}, max {worst}")
    if summary.complete:
        lines.append("  nothing lost, nothing doubled")
    else:
        lines.append(
            f"  INCOMPLETE: {summary.sent - summary.received:,} messages not received, "
            f"{summary.published - summary.read:,} entries not found, status {summary.status}"
        )
    lines.append(f"  data kept in   {summary.data_dir}")
    return "\n".join(lines)


def percentiles(latencies_s: Sequence[float]) -> tuple[float, float, float] | None:
    """Return p50, p99 and the maximum; None of nothing."""
    if not latencies_s:
        return None
    ordered = sorted(latencies_s)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]


def _newest(fields: dict[bytes, bytes]) -> Text:
    shown = ("price", "size", "side", "bid", "ask", "type", "seq", "last", "close", "reason")
    parts = [
        f"{name}={fields[name.encode()].decode()}" for name in shown if name.encode() in fields
    ]
    return Text(" ".join(parts))


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"

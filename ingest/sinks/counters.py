"""What one sink has done so far; the metrics are read from here."""

from msgspec import Struct, field


class SinkCounters(Struct):
    """Totals since the start, and the present state where a name says so.

    Every entry handed over ends in exactly one of `acked_entries`, `duplicates`,
    `dropped`, `conflated`, or is still pending or spooled.
    """

    added_entries: int = 0
    added_bytes: int = 0
    written_entries: int = 0  # sent, every attempt counted
    written_bytes: int = 0
    acked_entries: int = 0  # without those that were forgotten since
    forgotten_entries: int = 0  # acknowledged, then gone from the server; sent again
    duplicates: int = 0  # sent again after a lost connection and found to be stored already
    foreign_writer: int = 0  # found their id taken by somebody else; stored under a new id
    retried_entries: int = 0  # sent again, for whatever reason
    dropped: dict[str, int] = field(default_factory=dict)  # by reason
    batches: int = 0  # acknowledged
    connects: int = 0
    reconnects: int = 0  # connections lost, or refused while one was needed
    pending_entries: int = 0  # now: held and not acknowledged
    pending_bytes: int = 0
    spooled_entries: int = 0  # now: on disk, of this process, and not read yet
    spooled_bytes: int = 0  # now: on disk, until whole files are settled
    spooled_total: int = 0  # entries that went to disk
    recovered_entries: int = 0  # that an earlier process had left on disk
    conflated: int = 0  # replaced by a newer one of their stream, while the server was slow
    last_ack_ns: int | None = None  # Unix ns
    outage_s: float = 0.0  # total of the outages that are over

    def admit(self, size: int) -> None:
        """Count an entry of so many bytes that is handed over, and held."""
        self.added_entries += 1
        self.added_bytes += size
        self.pending_entries += 1
        self.pending_bytes += size

    def drop(self, reason: str, entries: int = 1) -> int:
        """Count dropped entries; return the new total for this reason."""
        total = self.dropped[reason] = self.dropped.get(reason, 0) + entries
        return total

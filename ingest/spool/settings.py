"""Where a spool is, and how much and how long it keeps."""

from msgspec import Struct

MIB = 1024 * 1024


class SpoolSettings(Struct, frozen=True, kw_only=True):
    """One worker's share; docs/delivery.md says what happens at each limit."""

    directory: str  # this worker's own
    max_bytes: int = 4096 * MIB  # on disk; beyond it entries are refused
    # How long what was written may stay in the system's memory, which a crash of the
    # machine (not of the process) would take. 0: synced at once; None: never by us.
    fsync_s: float | None = 1.0
    segment_bytes: int = 32 * MIB  # a file is deleted when all in it is settled
    max_unwritten_bytes: int = 8 * MIB  # kept in memory while the disk refuses

"""Entries on disk, first in, first out: where they wait while the server is away.

`format` says what the bytes mean, `segments` which files there are; entries are
appended at the `tail` and read at the `head`, and `spool` is the queue as a whole.
It knows nothing of Redis: an entry is a stream's key, an id, and bytes.
"""

from ingest.spool.format import Position, SpooledEntry
from ingest.spool.settings import SpoolSettings
from ingest.spool.spool import Spool
from ingest.spool.tail import sync

__all__ = ["Position", "Spool", "SpoolSettings", "SpooledEntry", "sync"]

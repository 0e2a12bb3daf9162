"""Listings on disk, for a start while the venue is down."""

from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from ingest.files import write_atomically
from ingest.instruments.listing import Listing
from ingest.venues.base import Instrument

_log = structlog.get_logger(__name__)


class _File(Struct, frozen=True, kw_only=True):
    venue: str
    fetched_ns: int
    instruments: list[Instrument]


class ListingCache:
    """One file for each venue, `<data_dir>/instruments/<venue>.json`."""

    def __init__(self, data_dir: str | Path, *, read_only: bool = False) -> None:
        self._dir = Path(data_dir) / "instruments"
        self._read_only = read_only

    def path(self, venue: str) -> Path:
        """Return where that venue's list is kept."""
        return self._dir / f"{venue}.json"

    def save(self, listing: Listing) -> None:
        """Write it whole or not at all; a failure is logged, and all goes on."""
        if self._read_only:
            return
        file = _File(
            venue=listing.venue,
            fetched_ns=listing.fetched_ns,
            instruments=list(listing.by_name.values()),
        )
        path = self.path(listing.venue)
        try:
            write_atomically(path, msgspec.json.format(msgspec.json.encode(file), indent=1))
        except OSError as exc:
            _log.error("instruments: not kept on disk", path=str(path), error=str(exc))

    def load(self, venue: str) -> Listing | None:
        """Return what was kept; None if there is nothing, or nothing that can be read."""
        path = self.path(venue)
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as exc:
            _log.error("instruments: what was kept is unreadable", path=str(path), error=str(exc))
            return None
        return Listing(venue, file.fetched_ns, file.instruments)

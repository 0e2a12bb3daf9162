"""What a venue lists: fetched, kept on disk, mapped both ways."""

from ingest.instruments.listing import Listing
from ingest.instruments.source import InstrumentSource

__all__ = ["InstrumentSource", "Listing"]

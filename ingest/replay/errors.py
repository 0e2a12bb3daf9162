"""What a replay server that cannot run raises."""

from ingest.errors import IngestError


class ReplayError(IngestError):
    """The address, the certificate or the journal cannot be used; exit status 1."""

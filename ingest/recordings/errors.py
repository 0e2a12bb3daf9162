"""What a recording that cannot be read raises."""

from ingest.errors import IngestError


class RecordingError(IngestError):
    """A recording is missing, damaged or in no known format; stop with exit status 2.

    The text says file and line, what was expected and what came.
    """

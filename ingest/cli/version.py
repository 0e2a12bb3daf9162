"""Which version this is."""

from importlib.metadata import PackageNotFoundError, metadata


def version() -> str:
    """Return the installed version, or say that this runs straight from a source tree."""
    try:
        return metadata("ingest")["Version"]
    except PackageNotFoundError:
        return "(not installed)"

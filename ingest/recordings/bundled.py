"""The recordings that come with the package."""

from importlib.resources import files
from pathlib import Path


def bundled_recordings() -> Path:
    """Return the directory of the bundled recordings, `<venue>/<session>/<file>`."""
    return Path(str(files("ingest").joinpath("data", "recordings")))

"""Files that a reader never sees half of."""

import os
import tempfile
from pathlib import Path


def make_private(directory: Path | str) -> None:
    """Make a directory for us alone; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace *path* whole or not at all, whatever ends us; its directory is made.

    Raises:
        OSError: there is no room, or no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

"""What is logged, for tests to look at."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Many a spool here dies without being closed; its files would stay open with the tests."""
    before = _open_descriptors()
    yield
    for descriptor in _open_descriptors() - before:
        with contextlib.suppress(OSError):  # that of the listing itself
            os.close(descriptor)


def _open_descriptors() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged meanwhile, as structlog's event dictionaries."""
    with capture_logs() as captured:
        yield captured

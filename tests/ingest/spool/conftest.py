"""What is logged, for tests to look at."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Many a spool here dies without being closed; its files would stay open with the tests."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    for descriptor in set(os.listdir("/proc/self/fd")) - before:
        with contextlib.suppress(OSError):  # that of the listing itself
            os.close(int(descriptor))


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged meanwhile, as structlog's event dictionaries."""
    with capture_logs() as captured:
        yield captured

"""What is logged, for tests to look at."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged meanwhile, as structlog's event dictionaries."""
    with capture_logs() as captured:
        yield captured

"""What was compared, as a table at the end."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

_HEAD = (
    "recording",
    "data messages",
    "entries compared",
    "books",
    "compared at",
    "by checksum",
    "faults shown",
    "no event, by reason; not compared",
)


class Report:
    """One row a recording, filled in by the tests as they pass."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def count(self, recording: str, **numbers: int) -> None:
        """Add to the numbers of a recording."""
        row = self.rows[recording]
        for name, number in numbers.items():
            row[name] = row.get(name, 0) + number


_report = Report()


@pytest.fixture
def report() -> Iterator[Report]:
    return _report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _report.rows:
        return
    terminalreporter.section("played")
    for row in table(_report):
        terminalreporter.write_line(row)


def table(report: Report) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"|---{'|---:' * (len(_HEAD) - 2)}|---|"
    for name, row in sorted(report.rows.items()):
        faults = f"{row['shown']} of {row['faults']}" if "faults" in row else ""
        numbers = (row.get(key, "") for key in ("data", "entries", "books", "points", "checksums"))
        cells = (name, *numbers, faults, row.get("said", ""))
        yield f"| {' | '.join(map(str, cells))} |"

"""What was compared, as a table at the end."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
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
        self._facts: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def state(self, recording: str, **facts: Any) -> None:
        """Say what holds of a recording, however many tests say it."""
        self._facts[recording] |= facts

    def count(self, recording: str, **numbers: int) -> None:
        """Add to the numbers of a recording."""
        self._counts[recording].update(numbers)

    def plain(self) -> Any:
        """What `add` reads, as it can be sent between processes."""
        return dict(self._facts), {name: dict(counts) for name, counts in self._counts.items()}

    def add(self, plain: Any) -> None:
        """Add what another report holds."""
        facts, counts = plain
        for name, stated in facts.items():
            self.state(name, **stated)
        for name, numbers in counts.items():
            self.count(name, **numbers)

    def rows(self) -> dict[str, dict[str, Any]]:
        """All that is known, by recording."""
        names = sorted(self._facts.keys() | self._counts.keys())
        return {name: {**self._facts[name], **self._counts[name]} for name in names}


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Iterator[Report]:
    """One test's; they are put together at the end, whichever process it ran in."""
    report = Report()
    yield report
    record_property("played", report.plain())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    whole = Report()
    for ended in itertools.chain(*terminalreporter.stats.values()):
        if getattr(ended, "when", None) == "teardown":
            for plain in (value for key, value in ended.user_properties if key == "played"):
                whole.add(plain)
    if not whole.rows():
        return
    terminalreporter.section("played")
    for row in table(whole):
        terminalreporter.write_line(row)


def table(report: Report) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"|---{'|---:' * (len(_HEAD) - 2)}|---|"
    for name, row in report.rows().items():
        faults = f"{row['shown']} of {row['faults']}" if "faults" in row else ""
        numbers = (row.get(key, "") for key in ("data", "entries", "books", "points", "checksums"))
        cells = (name, *numbers, faults, row.get("said", ""))
        yield f"| {' | '.join(map(str, cells))} |"

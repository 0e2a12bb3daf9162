"""How many cores `workers: auto` stands for."""

import os
from pathlib import Path

import pytest

from ingest.cores import available_cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("250000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("rubbish", 8),
        (None, 8),
    ],
)
def test_a_container_s_quota_counts(
    quota: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole cores of the quota, at least one, and never more than the machine's."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)

    assert available_cores(file) == cores

"""How many cores this process may use."""

import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Return the cores that `workers: auto` stands for, at least 1.

    A container with `cpus: 2` on a large machine still sees all of its cores;
    only the control group's quota tells.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    try:
        quota = quota_file.read_text()
    except OSError:  # no version 2 control groups here: no quota to respect
        return max(1, cores)
    return max(1, min(cores, _quota_cores(quota) or cores))


def _quota_cores(cpu_max: str) -> int | None:
    """Return the whole cores of a `cpu.max` file, "200000 100000" or "max 100000"."""
    quota, _, period = cpu_max.strip().partition(" ")
    if not (quota.isdigit() and period.isdigit() and int(period) > 0):
        return None
    return max(1, int(quota) // int(period))

"""What is banned and used outlives the service: the venue does not forget it either.

A service that is started again and again would otherwise have a fresh budget each time.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from ingest.files import write_atomically
from ingest.limits.broker import Broker
from ingest.limits.turns import Counted

_log = structlog.get_logger(__name__)

FILE = "limits.json"
_WRITE_EVERY_S = 0.5
_NS_PER_S = 1_000_000_000
# The longest window is an hour (BitMEX's of attempts); the longest ban has its own end.
_OLDEST_USE_S = 2 * 3600.0
_TOO_OLD_S = 3 * 86_400.0


class Used(Struct, frozen=True, kw_only=True):
    """What was used together; see `Counted`."""

    counted: Counted
    uses: list[tuple[int, int]]  # when, in Unix ns, in order; weight


class Remembered(Struct, frozen=True, kw_only=True):
    """What the file has. Times are Unix ns: those of one process mean nothing to the next."""

    saved_ns: int
    bans: dict[str, int]  # until when, by host
    used: list[Used]


def remembered(broker: Broker, now_s: float, now_ns: int) -> Remembered:
    """Return what counts at *now_s*, which is *now_ns* by the wall clock."""
    bans = {
        host: now_ns + round((until_s - now_s) * _NS_PER_S)
        for host, until_s in broker.turns.banned.items()
        if until_s > now_s
    }
    used: list[Used] = []
    for counted, uses in broker.turns.uses():
        # By the second, dated by its last use, or it would be many thousand lines.
        seconds: dict[int, tuple[float, int]] = {}
        for at_s, weight in uses:
            if at_s > now_s - _OLDEST_USE_S:
                second = int(at_s // 1)
                seconds[second] = (at_s, seconds.get(second, (0.0, 0))[1] + weight)
        if seconds:
            times = [(now_ns + round((s - now_s) * _NS_PER_S), w) for s, w in seconds.values()]
            used.append(Used(counted=counted, uses=times))
    return Remembered(saved_ns=now_ns, bans=bans, used=used)


def recall(broker: Broker, kept: Remembered, now_s: float, now_ns: int) -> None:
    """Count what was *kept*; nothing happens if it is of another time."""
    age_s = (now_ns - kept.saved_ns) / _NS_PER_S
    if age_s > _TOO_OLD_S:
        return
    # The wall clock went back: what is kept counts as of now.
    skew_ns = max(0, kept.saved_ns - now_ns)
    for host, until_ns in kept.bans.items():
        left_s = (until_ns - skew_ns - now_ns) / _NS_PER_S
        if 0 < left_s <= _TOO_OLD_S and broker.turns.ban(host, now_s + left_s):
            _log.warning(
                "limits: a venue asked us to stay away, and that is not over",
                host=host,
                for_s=round(left_s, 3),
            )
    for used in kept.used:
        ages_s = [(max(0.0, (now_ns + skew_ns - ns) / _NS_PER_S), w) for ns, w in used.uses]
        uses = sorted((now_s - age_s, w) for age_s, w in ages_s if age_s < _OLDEST_USE_S and w > 0)
        broker.turns.recall(used.counted, uses)


def load(path: Path) -> Remembered | None:
    """Return what an earlier service left; None if that is nothing, or nothing readable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remembered)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as exc:
        _log.error(
            "limits: what was kept is unreadable; the budgets are fresh",
            path=str(path),
            error=str(exc),
        )
        return None


def begin_with(broker: Broker, data_dir: str | Path) -> Path:
    """Count what a service left in its data directory; return the file."""
    path = Path(data_dir) / FILE
    kept = load(path)
    if kept is not None:
        recall(broker, kept, time.monotonic(), time.time_ns())
    return path


@contextlib.asynccontextmanager
async def remembering(broker: Broker, data_dir: str | Path) -> AsyncIterator[None]:
    """Begin with what an earlier service left, and keep it for a later one."""
    path = begin_with(broker, data_dir)
    writing = asyncio.create_task(_write_changes(broker, path))
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        _write(_state(broker), path)


def _state(broker: Broker) -> bytes:
    return msgspec.json.encode(remembered(broker, time.monotonic(), time.time_ns()))


async def _write_changes(broker: Broker, path: Path) -> None:
    """Write soon after each change: nobody knows when we are killed."""
    failed = False
    while True:
        await broker.changed.wait()
        broker.changed.clear()
        failed = not await asyncio.to_thread(_write, _state(broker), path, quiet=failed)
        await asyncio.sleep(_WRITE_EVERY_S)


def _write(data: bytes, path: Path, *, quiet: bool = False) -> bool:
    """Replace the file; a failure is logged unless *quiet*, and all goes on."""
    try:
        write_atomically(path, data)
    except OSError as exc:
        if not quiet:
            _log.error("limits: not kept on disk", path=str(path), error=str(exc))
        return False
    return True

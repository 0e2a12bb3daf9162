"""The workers' spools: who has which directory, also when the work is dealt out anew.

    <data_dir>/spool/<service>/
        lock                  held by the service and by its workers, as long as any lives
        <generation>/         the highest complete one counts
            owners            which streams the directories beside it are for
            worker-<n>/       one spool

What a stream has on disk must be sent by the process that writes the stream, or its
order is lost. So where the plan gives streams to other workers than before, what is
there is dealt out anew, into a generation of its own, before any worker starts.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import structlog
from msgspec import structs

from ingest import codecs, venues
from ingest.config.schema import SpoolConfig
from ingest.errors import SpoolError
from ingest.feed.keys import stream_keys
from ingest.plan import Plan, SpoolPlan
from ingest.spool import Spool, SpoolSettings

_LOCK_S = 30.0  # for the workers of a service that was killed to stop by themselves
_LOOK_S = 0.1
_GENERATION = re.compile(r"[0-9]{6}")
_BATCH_ENTRIES, _BATCH_BYTES = 2_000, 1024 * 1024

_log = structlog.get_logger(__name__)


class SpoolRoom:
    """The directory of one service's spools, while it is ours."""

    def __init__(self, data_dir: str, service: str, config: SpoolConfig) -> None:
        self._dir = Path(data_dir).absolute() / "spool" / service
        self._config = config
        self.lock_fd = -1  # for the workers to inherit

    async def lock(self) -> None:
        """Make the directory ours; waits for the workers of a service that has died.

        Raises:
            SpoolError: it cannot be used, or another service uses it.
        """
        try:
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self.lock_fd = os.open(self._dir / "lock", flags, 0o600)
        except OSError as exc:
            raise SpoolError(
                f"{self._dir}: cannot be used: {exc.strerror}; mend that, choose another "
                "data_dir, or set spool.enabled to false"
            ) from exc
        until = time.monotonic() + _LOCK_S
        told = False
        while not _try_lock(self.lock_fd):
            if time.monotonic() > until:
                raise SpoolError(
                    f"{self._dir}: is in use by another service; stop that, or give this one "
                    "another data_dir"
                )
            if not told:
                _log.warning("spool: in use, waiting", directory=str(self._dir))
                told = True
            await asyncio.sleep(_LOOK_S)

    def unlock(self) -> None:
        """Let go of it; it stays locked as long as a worker lives."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    async def prepare(self, plan: Plan) -> Plan:
        """Return the plan with a spool for each worker, what is there dealt out to its owners.

        Raises:
            SpoolError: the disk cannot be read or written.
        """
        keys = _owners(plan)
        # In a thread: with gigabytes on disk this takes a while, and signals must be heard.
        directory = await asyncio.to_thread(self._prepare, keys, len(plan.workers))
        share = max(1, self._config.max_bytes // len(plan.workers))
        return structs.replace(
            plan,
            workers=tuple(
                structs.replace(
                    worker,
                    spool=SpoolPlan(
                        directory=str(directory / f"worker-{worker.worker}"),
                        max_bytes=share,
                        max_age_s=self._config.max_age_s,
                        fsync_s=self._config.fsync_s,
                    ),
                )
                for worker in plan.workers
            ),
        )

    def _prepare(self, owners: Mapping[str, int], workers: int) -> Path:
        try:
            return self._current(owners, workers)
        except OSError as exc:
            raise SpoolError(f"{self._dir}: cannot be used: {exc}") from exc

    def _current(self, owners: Mapping[str, int], workers: int) -> Path:
        wanted = _fingerprint(owners, workers)
        found = sorted(p for p in self._dir.iterdir() if _GENERATION.fullmatch(p.name))
        for path in self._dir.iterdir():
            # Older ones were dealt out anew already, unfinished ones will be again.
            if path.is_dir() and path not in found[-1:]:
                shutil.rmtree(path)
        newest = found[-1] if found else None
        if newest is not None and (newest / "owners").read_text() == wanted:
            return newest
        number = int(newest.name) + 1 if newest is not None else 1
        unfinished = self._dir / f"{number:06}.unfinished"
        unfinished.mkdir(mode=0o700)
        if newest is not None:
            _deal_out(newest, unfinished, owners)
        (unfinished / "owners").write_text(wanted)
        complete = unfinished.rename(self._dir / f"{number:06}")
        if newest is not None:
            shutil.rmtree(newest)
        return complete


def _deal_out(source: Path, target: Path, owners: Mapping[str, int]) -> None:
    """Copy all entries to the spools of those who write their streams now.

    Streams that nobody writes any more are the first worker's.
    """
    spools: dict[int, Spool] = {}
    entries = 0
    for directory in sorted(source.glob("worker-*")):
        old = Spool(SpoolSettings(directory=str(directory)))
        while old.unread:
            for entry in old.read(_BATCH_ENTRIES, _BATCH_BYTES):
                owner = owners.get(entry.key, 0)
                spool = spools.get(owner)
                if spool is None:
                    spool = spools[owner] = Spool(
                        SpoolSettings(directory=str(target / f"worker-{owner}"), max_bytes=2**62)
                    )
                if not spool.append(*entry):
                    spool.flush()
                    if not spool.append(*entry):
                        raise SpoolError(f"{target}: the disk refuses; is it full?")
                entries += 1
        old.close()
    for spool in spools.values():
        spool.close()
        if spool.disk_errors:
            raise SpoolError(f"{target}: the disk refuses; is it full?")
    if entries:
        _log.warning("spool: entries of an earlier run were dealt out anew", entries=entries)


def _owners(plan: Plan) -> dict[str, int]:
    """Return the worker of each stream, by its key."""
    return {
        key: worker.worker
        for worker in plan.workers
        for connection in worker.connections
        for key in stream_keys(
            connection,
            venues.get(connection.venue),
            codecs.encoder(worker.redis.encoding),
            worker.redis.key,
        )
    }


def _fingerprint(owners: Mapping[str, int], workers: int) -> str:
    digest = hashlib.sha256()
    for key, worker in sorted(owners.items()):
        digest.update(f"{worker} {key}\n".encode())
    return f"{workers} workers, {len(owners)} streams, {digest.hexdigest()}\n"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

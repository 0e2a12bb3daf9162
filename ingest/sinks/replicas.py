"""Writes that count only once enough replicas have them.

Replication is asynchronous: a master answers before its replicas know of a write, and
what they do not have is lost when one of them takes over. WAIT tells how many have all
that a connection wrote.

Source: https://redis.io/docs/latest/commands/wait/ (since Redis 7 it covers the
connection's last write, so a connection that has written nothing learns nothing).
"""

import asyncio
from typing import Any

import structlog
from hiredis import ReplyError

from ingest.logging import worth_a_line
from ingest.sinks.errors import Unavailable
from ingest.sinks.link import Link
from ingest.sinks.reactions import Reaction, reaction_to
from ingest.sinks.resp import command
from ingest.sinks.settings import SinkSettings

_log = structlog.get_logger(__name__)


class Durable:
    """Sends writes, and returns when they are as durable as the settings ask for."""

    def __init__(self, settings: SinkSettings) -> None:
        self._wanted = settings.wait_replicas
        self._blocks_s = settings.wait_timeout_s
        self._wait = command(b"WAIT", b"%d" % self._wanted, b"%d" % (self._blocks_s * 1000))
        self._pauses = settings.wait

    async def call(self, link: Link, data: bytes, replies: int) -> list[Any]:
        """As `Link.call`; asks again, and never sends *data* again, while replicas lag.

        Raises:
            Unavailable: as `Link.call`, or the server does not say what its replicas have.
        """
        if not self._wanted:
            return await link.call(data, replies)
        *answers, acked = await link.call(data + self._wait, replies + 1, blocks_s=self._blocks_s)
        backoff = self._pauses.backoff()
        while not isinstance(acked, int) or acked < self._wanted:
            if isinstance(acked, ReplyError):
                reaction = reaction_to(str(acked))
                if reaction is Reaction.DROP:  # "WAIT cannot be used with replica instances"
                    reaction = Reaction.RECONNECT
                raise Unavailable(f"WAIT: {acked}", reaction)
            delay_s = backoff.next_delay_s()
            if worth_a_line(backoff.failures):
                _log.warning(
                    "sink: too few replicas have what was written; asking again",
                    replicas=acked,
                    wanted=self._wanted,
                    attempt=backoff.failures,
                    retry_in_s=round(delay_s, 3),
                )
            await asyncio.sleep(delay_s)
            (acked,) = await link.call(self._wait, 1, blocks_s=self._blocks_s)
        return answers

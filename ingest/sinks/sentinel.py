"""A master that Sentinels watch over: they are asked for it before every connection.

And once a second as long as it lasts: after a failover the old master, if it is alive,
goes on to acknowledge writes for ten seconds or so, until the Sentinels make it a
replica and it throws them away. That is longer than what was acknowledged is kept here.

Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import ReplyError

from ingest.config.redis_url import Address
from ingest.sinks import tasks
from ingest.sinks.adopt import Server
from ingest.sinks.counters import SinkCounters
from ingest.sinks.errors import Unavailable
from ingest.sinks.link import Link
from ingest.sinks.reactions import Reaction, reaction_to
from ingest.sinks.replicas import Durable
from ingest.sinks.resp import command
from ingest.sinks.settings import SinkSettings
from ingest.sinks.single import Single

_SENTINEL_S = 2.0  # each may take to answer: one that hangs must not hold up a failover
_WATCH_EVERY_S = 1.0
_ROLE = command(b"ROLE")


class SentinelTarget:
    """The present master of a service."""

    def __init__(
        self,
        server: Server,
        sentinels: Sequence[Server],
        service: str,
        settings: SinkSettings,
        counters: SinkCounters,
    ) -> None:
        """*server* is the master but for its address."""
        self._server = server
        self._sentinels = [sentinel.within(_SENTINEL_S) for sentinel in sentinels]
        self._service = service
        self._settings = settings
        self._counters = counters
        self._question = command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service.encode())
        self._master = ""

    def __str__(self) -> str:
        sentinels = ", ".join(map(str, self._sentinels))
        return f"{self._service}, {self._master or 'a master unknown so far'}, by {sentinels}"

    async def open(self, on_lost: Callable[[], None]) -> "WatchedSingle":
        """Connect to the master that the first Sentinel names who names one.

        See `Target.open`. A Sentinel that was cut off may name a master that was: the
        server is asked for its role, and if it is not a master, so is the next Sentinel.
        """
        failures: list[Unavailable] = []
        for _ in self._sentinels:
            try:
                address, link = await self._open(self._sentinels[0], on_lost)
            except Unavailable as exc:
                failures.append(exc)
                self._try_others()
            else:
                watching = asyncio.create_task(self._watch(link, address), name="sink-sentinel")
                durable = Durable(self._settings)
                return WatchedSingle(link, durable, self._counters, watching)
        operators = all(failure.reaction is Reaction.OPERATOR for failure in failures)
        raise Unavailable(
            "; ".join(dict.fromkeys(map(str, failures))),
            Reaction.OPERATOR if operators else Reaction.RECONNECT,
        )

    def _try_others(self) -> None:
        """Ask the other Sentinels first, the next time too."""
        self._sentinels.append(self._sentinels.pop(0))

    async def _open(self, sentinel: Server, on_lost: Callable[[], None]) -> tuple[Address, Link]:
        try:
            address = await self._ask(sentinel)
        except Unavailable as exc:
            raise Unavailable(f"Sentinel {sentinel}: {exc}", exc.reaction) from exc
        master = self._server.at(address)
        timeout_s = self._settings.reply_timeout_s
        try:
            link = await Link.open(master, reply_timeout_s=timeout_s, on_lost=on_lost)
        except Unavailable as exc:
            raise Unavailable(f"{master}: {exc}", exc.reaction) from exc
        is_master = False
        try:
            (role,) = await link.call(_ROLE, 1)
            # A user who may not ask: a replica will refuse the first write.
            is_master = isinstance(role, ReplyError) or role[0] == b"master"
        finally:
            if not is_master:
                await link.close()
        if not is_master:
            raise Unavailable(f"{master}: named by Sentinel {sentinel}, and not a master")
        self._master = str(master)
        return address, link

    async def _watch(self, link: Link, address: Address) -> None:
        """Give *link* up when the master is another one."""
        sentinel: Link | None = None
        try:
            while True:
                await asyncio.sleep(_WATCH_EVERY_S)
                try:
                    if sentinel is None:
                        sentinel = await self._connect(self._sentinels[0])
                    (reply,) = await sentinel.call(self._question, 1)
                    named = self._address(reply)
                except Unavailable:
                    self._try_others()
                    if sentinel is not None:
                        await sentinel.close()
                        sentinel = None
                    continue
                if named != address:
                    link.give_up("the Sentinels have made another server the master")
                    return
        finally:
            if sentinel is not None:
                await sentinel.close()

    async def _ask(self, sentinel: Server) -> Address:
        link = await self._connect(sentinel)
        try:
            (reply,) = await link.call(self._question, 1)
        finally:
            await link.close()
        return self._address(reply)

    @staticmethod
    async def _connect(sentinel: Server) -> Link:
        return await Link.open(sentinel, reply_timeout_s=_SENTINEL_S, on_lost=_nothing)

    def _address(self, reply: Any) -> Address:
        match reply:
            case [bytes(host), bytes(port)] if port.isdigit():
                return host.decode(), int(port)
            case None:
                raise Unavailable(f"knows no service {self._service}", Reaction.OPERATOR)
            case ReplyError():
                operator = reaction_to(str(reply)) is Reaction.OPERATOR
                raise Unavailable(str(reply), Reaction.OPERATOR if operator else Reaction.RECONNECT)
        raise Unavailable(f"expected an address, found {str(reply)[:200]}")


class WatchedSingle(Single):
    """A connection to the master, with somebody who asks whether it still is."""

    def __init__(
        self, link: Link, durable: Durable, counters: SinkCounters, watching: "asyncio.Task[None]"
    ) -> None:
        super().__init__(link, durable, counters)
        self._watching = watching

    async def close(self) -> None:
        await tasks.end(self._watching)
        await super().close()


def _nothing() -> None:
    pass

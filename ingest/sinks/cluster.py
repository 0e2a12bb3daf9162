"""A cluster: a connection to each node that has streams of ours.

A transaction may hold only keys of one slot. Each stream gets one of its own, because
what has to be whole is the order inside a stream; and while a slot migrates, a
transaction with one key is executed by whoever has the key, one with several only when
all are together again. The transactions of a batch go to all nodes at the same time.

A stream is written to the node that told its last id. A node that says MOVED is not
simply followed: after a failover its successor may lack what was acknowledged before,
so the stream's last id is asked for there first.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from hiredis import ReplyError
from msgspec import Struct

from ingest.config.redis_url import Address
from ingest.errors import SinkError
from ingest.sinks.adopt import Server
from ingest.sinks.batch import Batch
from ingest.sinks.buffer import StreamWriter
from ingest.sinks.counters import SinkCounters
from ingest.sinks.errors import Moved, Unavailable
from ingest.sinks.link import Link
from ingest.sinks.reactions import Reaction, error_code
from ingest.sinks.replicas import Durable
from ingest.sinks.resp import command
from ingest.sinks.settings import SinkSettings
from ingest.sinks.slots import VIEW, VIEW_REPLIES, Redirection, View, read_view, redirection
from ingest.sinks.transport import Question, Sent

_VIEW_S = 2.0  # each node may take to say what it knows
_NODES_ASKED = 16  # how many are asked
_MAX_REDIRECTIONS = 5
_ASKING = command(b"ASKING")
# A node that says so may have been replaced while it does not know.
_DOUBTFUL = ("CLUSTERDOWN", "LOADING", "MASTERDOWN")


class ClusterTarget:
    """A cluster, found through any node that answers."""

    def __init__(
        self,
        server: Server,
        nodes: Sequence[Address],
        settings: SinkSettings,
        counters: SinkCounters,
    ) -> None:
        """*server* is any node but for its address; *nodes* are those to begin with."""
        self._server = server
        self._given = tuple(nodes)
        self._known: tuple[Address, ...] = ()
        self.streams: set[str] = set()  # those located so far, over any number of connections
        self._settings = settings
        self._counters = counters

    def __str__(self) -> str:
        return f"cluster of {', '.join(str(self._server.at(node)) for node in self._given)}"

    async def open(self, on_lost: Callable[[], None]) -> "Cluster":
        """Find out who has what, and connect to those who have the streams known so far.

        See `Target.open`. Other nodes are connected to when they are needed.
        """
        view = await self.view()
        cluster = Cluster(self, view, Durable(self._settings), self._counters, on_lost)
        try:
            masters = {view.master_of(key) for key in self.streams}
            await cluster.connect([master for master in masters if master is not None])
        except BaseException:
            await cluster.close()
            raise
        return cluster

    async def connect(self, node: Address, on_lost: Callable[[], None]) -> Link:
        """Return a connection to one node.

        Raises:
            Unavailable: there is none.
        """
        server, timeout_s = self._server.at(node), self._settings.reply_timeout_s
        try:
            return await Link.open(server, reply_timeout_s=timeout_s, on_lost=on_lost)
        except Unavailable as exc:
            raise _at(node, exc) from exc

    async def view(self) -> View:
        """Return what the best informed node says.

        All known nodes are asked at the same time: one that was cut off and replaced
        may not know it.

        Raises:
            Unavailable: nobody answers.
        """
        nodes = list(dict.fromkeys((*self._given, *self._known)))[:_NODES_ASKED]
        answers = await asyncio.gather(*map(self._ask, nodes))
        views = [answer for answer in answers if isinstance(answer, View)]
        if not views:
            failures = [answer for answer in answers if isinstance(answer, Unavailable)]
            operators = all(failure.reaction is Reaction.OPERATOR for failure in failures)
            raise Unavailable(
                "; ".join(dict.fromkeys(map(str, failures))),
                Reaction.OPERATOR if operators else Reaction.RECONNECT,
            )
        best = max(views, key=lambda view: (view.healthy, view.epoch))
        self._known = best.nodes
        return best

    async def _ask(self, node: Address) -> View | Unavailable:
        server = self._server.at(node).within(_VIEW_S)
        try:
            link = await Link.open(server, reply_timeout_s=_VIEW_S, on_lost=_nothing)
            try:
                return read_view(await link.call(VIEW, VIEW_REPLIES), node)
            finally:
                await link.close()
        except SinkError as exc:
            reaction = exc.reaction if isinstance(exc, Unavailable) else Reaction.RECONNECT
            return _at(node, Unavailable(str(exc), reaction))


Call = Callable[[Link, bytes, int], Awaitable[list[Any]]]


class _Errand(Struct):
    """Commands about one stream, on their way to a node."""

    key: str
    data: bytes
    replies: int
    outcome: list[Any] | SinkError = []
    redirection: Redirection | None = None  # where it was pointed to instead


class Cluster:
    """A `Transport` over one connection to each node."""

    def __init__(
        self,
        target: ClusterTarget,
        view: View,
        durable: Durable,
        counters: SinkCounters,
        on_lost: Callable[[], None],
    ) -> None:
        self._target = target
        self._view = view
        self._doubtful = False  # whether the view should be asked for again
        self._places: dict[str, Address] = {}  # by stream: who told its last id
        self._links: dict[Address, Link] = {}
        self._durable = durable
        self._counters = counters
        self._on_lost = on_lost

    @property
    def lost(self) -> str | None:
        for (host, port), link in self._links.items():
            if link.lost is not None:
                return f"{host}:{port}: {link.lost}"
        return None

    async def connect(self, nodes: Iterable[Address]) -> None:
        """Have a connection to each of *nodes*.

        Raises:
            Unavailable: to one of them there is none.
        """
        results = await asyncio.gather(*map(self._link_to, nodes), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def store(self, batch: Batch) -> list[Sent]:
        parts = _by_stream(batch)
        errands = [
            _Errand(part.entries[0][0].key, part.packed(), len(part.entries) + 2) for part in parts
        ]
        self._counters.written_entries += len(batch.entries)
        self._counters.written_bytes += sum(len(errand.data) for errand in errands)
        await self._run(errands, self._durable.call, writing=True)
        return [Sent(part, errand.outcome) for part, errand in zip(parts, errands, strict=True)]

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        errands = _errands(questions)
        await self._run(errands, Link.call)
        return _answers(errands)

    async def write(self, questions: Sequence[Question]) -> list[Any]:
        errands = _errands(questions)
        await self._run(errands, self._durable.call, writing=True)
        return _answers(errands)

    async def locate(self, questions: Sequence[Question]) -> list[Any]:
        for question in questions:
            self._places.pop(question.key, None)
        errands = _errands(questions)
        await self._run(errands, Link.call)
        for errand in errands:
            # Who was asked in the middle of a migration does not have the slot yet.
            place = self._view.master_of(errand.key)
            if place is not None and not isinstance(errand.outcome, SinkError):
                self._places[errand.key] = place
                self._target.streams.add(errand.key)
        return _answers(errands)

    async def close(self) -> None:
        await asyncio.gather(*(link.close() for link in self._links.values()))

    async def _run(self, errands: Sequence[_Errand], call: Call, *, writing: bool = False) -> None:
        """Take each errand to its node, and on to where it is pointed from there."""
        if self._doubtful:
            await self._look_again()
        left = list(errands)
        for _ in range(_MAX_REDIRECTIONS):
            by_node: dict[Address, list[_Errand]] = {}
            for errand in left:
                node = self._next_node(errand)
                if node is None:
                    self._doubtful = True
                    errand.outcome = Unavailable("nobody serves its slot", Reaction.WAIT)
                else:
                    by_node.setdefault(node, []).append(errand)
            await asyncio.gather(
                *(self._deliver(node, there, call) for node, there in by_node.items())
            )
            left = []
            for errand in errands:
                redirection = errand.redirection
                if redirection is None:
                    continue
                if redirection.for_good:
                    self._view.moved(errand.key, redirection.address)
                    if writing:
                        errand.outcome, errand.redirection = Moved(redirection.text), None
                        continue
                left.append(errand)
            if not left:
                return
        for errand in left:
            errand.outcome = Unavailable("sent from node to node without end", Reaction.WAIT)

    def _next_node(self, errand: _Errand) -> Address | None:
        if errand.redirection is not None:
            return errand.redirection.address
        return self._places.get(errand.key) or self._view.master_of(errand.key)

    async def _deliver(self, node: Address, errands: Sequence[_Errand], call: Call) -> None:
        pieces: list[bytes] = []
        counts: list[tuple[_Errand, int]] = []
        for errand in errands:
            asking = errand.redirection is not None and not errand.redirection.for_good
            pieces += [_ASKING, errand.data] if asking else [errand.data]
            counts.append((errand, int(asking)))
            errand.redirection = None
        total = sum(errand.replies + before for errand, before in counts)
        try:
            link = await self._link_to(node)
            try:
                replies = await call(link, b"".join(pieces), total)
            except Unavailable as exc:
                raise _at(node, exc) from exc
        except SinkError as exc:
            for errand in errands:
                errand.outcome = exc
            return
        at = 0
        for errand, before in counts:
            at += before
            own = errand.outcome = replies[at : at + errand.replies]
            at += errand.replies
            errand.redirection = redirection(own, node)
            if isinstance(own[-1], ReplyError) and any(map(_is_doubtful, own)):
                self._doubtful = True

    async def _link_to(self, node: Address) -> Link:
        link = self._links.get(node)
        if link is None:
            link = self._links[node] = await self._target.connect(node, self._on_lost)
        return link

    async def _look_again(self) -> None:
        """Ask all nodes who has what.

        Raises:
            Unavailable: nobody answers; or other masters serve our streams now, whose
                last ids have to be asked for before anything is written to them.
        """
        view = await self._target.view()
        if any(view.master_of(key) != node for key, node in self._places.items()):
            raise Unavailable("other nodes have become masters of our streams")
        self._view = view
        self._doubtful = False


def _at(node: Address, error: Unavailable) -> Unavailable:
    host, port = node
    return Unavailable(f"{host}:{port}: {error}", error.reaction)


def _by_stream(batch: Batch) -> list[Batch]:
    indexes: dict[StreamWriter, list[int]] = {}
    for index, entry in enumerate(batch.entries):
        indexes.setdefault(entry[0], []).append(index)
    return [batch.only(of_stream) for of_stream in indexes.values()]


def _errands(questions: Iterable[Question]) -> list[_Errand]:
    return [_Errand(question.key, question.command, 1) for question in questions]


def _answers(errands: Sequence[_Errand]) -> list[Any]:
    answers = []
    for errand in errands:
        if isinstance(errand.outcome, SinkError):
            raise errand.outcome
        answers += errand.outcome
    return answers


def _is_doubtful(reply: object) -> bool:
    return isinstance(reply, ReplyError) and error_code(str(reply)) in _DOUBTFUL


def _nothing() -> None:
    pass

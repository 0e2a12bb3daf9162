"""Replies that no real server gives on demand, from one that follows a script."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import hiredis
import uvloop

Words = list[bytes]
ABORT = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


class Scripted:
    """Speaks enough RESP for the sink; *queue* and *execute* may answer otherwise.

    Both get the number of the transaction (from 1) and the XADD's words, and return
    a reply, or None for the usual one.
    """

    def __init__(
        self,
        queue: Callable[[int, Words], bytes | None] = lambda n, words: None,
        execute: Callable[[int, Words], bytes | None] = lambda n, words: None,
    ) -> None:
        self.stored: list[tuple[bytes, bytes]] = []  # id, value
        self.transactions = 0
        self._queue = queue
        self._execute = execute

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        transaction: list[Words] | None = None
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                parser.feed(data)
                while (words := parser.gets()) is not False:
                    if words[0] == b"MULTI":
                        self.transactions += 1
                        transaction, reply = [], b"+OK\r\n"
                    elif words[0] == b"XADD" and transaction is not None:
                        refusal = self._queue(self.transactions, words)
                        transaction.append([] if refusal else words)
                        reply = refusal or b"+QUEUED\r\n"
                    elif words[0] == b"EXEC" and transaction is not None:
                        reply = ABORT if [] in transaction else self._exec(transaction)
                    elif words[0] == b"XINFO":
                        reply = b"-ERR no such key\r\n"
                    else:
                        reply = b"+OK\r\n"
                    writer.write(reply)
        writer.transport.abort()

    def _exec(self, transaction: list[Words]) -> bytes:
        reply = b"*%d\r\n" % len(transaction)
        for words in transaction:
            refusal = self._execute(self.transactions, words)
            if refusal is None:
                self.stored.append((words[2], words[4]))
            reply += refusal or b"$%d\r\n%b\r\n" % (len(words[2]), words[2])
        return reply

    @contextlib.asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[str]:
        server = await asyncio.start_unix_server(self.serve, path)
        yield f"unix://{path}?protocol=2"
        server.close()


async def test_hopeless_while_queueing_costs_that_entry_only(server, kit) -> None:
    """The transaction is discarded; the others go again at once, with their ids."""
    odd = Scripted(queue=lambda n, words: b"-ERR syntax error\r\n" if words[4] == b"1" else None)
    async with odd.listening(server.path.with_name("odd")) as url, kit.running(url) as sink:
        writer = sink.open_stream("s")
        for value in range(3):
            writer.add(5_000_000, *kit.encoded(value))
        assert await sink.flush(5) == 0
        assert odd.stored == [(b"5-0", b"0"), (b"5-2", b"2")]
        assert sink.counters.dropped == {"ERR": 1}
        assert sink.counters.reconnects == 0


async def test_a_batch_of_hopeless_entries_only(server, kit) -> None:
    """Nothing is left to send, and the next batch follows."""
    odd = Scripted(queue=lambda n, words: b"-ERR syntax error\r\n" if n == 1 else None)
    async with odd.listening(server.path.with_name("odd")) as url, kit.running(url) as sink:
        writer = sink.open_stream("s")
        kit.fill(writer, [0, 1])
        assert await sink.flush(5) == 0
        kit.fill(writer, [2])
        assert await sink.flush(5) == 0
        assert [value for _, value in odd.stored] == [b"2"]
        assert sink.counters.dropped == {"ERR": 2}


async def test_refused_for_now_inside_exec(server, kit) -> None:
    """Sent again under a new id, above those accepted in between; before what waits."""
    odd = Scripted(
        execute=lambda n, words: b"-OOM later\r\n" if n == 1 and words[4] == b"1" else None
    )
    async with odd.listening(server.path.with_name("odd")) as url, kit.running(url) as sink:
        writer = sink.open_stream("s")
        for value in range(3):
            writer.add(5_000_000, *kit.encoded(value))
        await kit.until(lambda: odd.transactions >= 1)
        writer.add(5_000_000, *kit.encoded(3))
        assert await sink.flush(5) == 0
        assert odd.stored == [(b"5-0", b"0"), (b"5-2", b"2"), (b"5-3", b"1"), (b"5-4", b"3")]
        assert sink.counters.retried_entries == 1
        assert sink.counters.acked_entries == 4


async def test_a_reply_too_many_ends_the_connection(server, kit, logs) -> None:
    """Replies can no longer be told apart: start over, and nothing is lost."""
    odd = Scripted(queue=lambda n, words: b"+QUEUED\r\n+QUEUED\r\n" if n == 1 else None)
    async with odd.listening(server.path.with_name("odd")) as url, kit.running(url) as sink:
        kit.fill(sink.open_stream("s"), [0, 1])
        assert await sink.flush(5) == 0
        assert sink.counters.reconnects == 1
        assert [value for _, value in odd.stored] == [b"0", b"1"]


def test_under_uvloop(server, kit) -> None:
    """The loop that the service runs on: publishing, a lost connection, the end."""

    async def main() -> None:
        async with kit.running(server.url) as sink:
            writer = sink.open_stream("s")
            kit.fill(writer, range(100))
            assert await sink.flush(5) == 0
            with server.client() as client:
                client.client_kill_filter(_type="normal", skipme=True)
            kit.fill(writer, range(100, 200))
            assert await sink.flush(5) == 0
            assert sink.counters.reconnects >= 1
            assert server.values("s") == list(range(200))

    uvloop.run(main())

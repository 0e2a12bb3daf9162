"""What a stream holds already."""

import pytest
from hiredis import ReplyError

from ingest.errors import SinkError
from ingest.sinks.errors import Unavailable
from ingest.sinks.newest import newest


@pytest.mark.parametrize("query", ["?protocol=2", "?protocol=3"])
async def test_the_newest_entries_come_newest_first(server, kit, query: str) -> None:
    with server.client() as client:
        for value in range(5):
            client.xadd("a", {"v": value}, id=f"{value + 1}-0")
        client.xadd("b", {"v": 7, "w": 8})
        client.set("no stream", 1)
    async with kit.running(server.url + query) as sink:
        found = await sink.newest(["a", "nothing", "no stream", "b"], 2)
    assert found == [[{b"v": b"4"}, {b"v": b"3"}], [], [], [{b"v": b"7", b"w": b"8"}]]


async def test_a_server_out_of_reach_is_an_error(kit) -> None:
    async with kit.running("unix:///nowhere/redis.sock") as sink:
        with pytest.raises(SinkError):
            await sink.newest(["a"], 2)


@pytest.mark.parametrize("reply", [b"OK", [1], [[b"1-1", [b"v"]]], None])
def test_nonsense(reply: object) -> None:
    with pytest.raises(SinkError, match="XREVRANGE"):
        newest(reply)


def test_what_is_not_allowed_is_said() -> None:
    with pytest.raises(Unavailable, match="NOPERM"):
        newest(ReplyError("NOPERM this user has no permissions to run the 'xrevrange' command"))

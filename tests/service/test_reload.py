"""A new config for a running service: by difference, or not at all."""

import fcntl
import json
import os
import signal
import termios
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
TRADE = "md:binance:trade:{}-USDT"


def feed(*names: str, **more: Any) -> dict[str, Any]:
    instruments = [f"{name}-USDT" for name in names]
    return {"venue": "binance", "channels": ["trade"], "instruments": instruments, **more}


def rewrite(service: Any, kit: Any, **changes: Any) -> None:
    """Change the file that the service was started with."""
    path = Path(kit.directory) / "config.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def reload(kit: Any, path: str = "config.yaml") -> tuple[int, list[str]]:
    """`ingest reload`, run where the service runs; its status, and what it says."""
    program = kit.program(
        *("-m", "ingest", "reload", path), output="stdout", cwd=kit.directory, stderr=-2
    )
    status = program.exit_status()
    return status, [line.rstrip() for line in program.other]


def ids(streams: Any, name: str) -> list[int]:
    return [int(e["id"]) for e in streams.data(TRADE.format(name))]


def marks(streams: Any, name: str) -> list[tuple[str, str]]:
    return [(e["type"], e["reason"]) for e in streams.entries(TRADE.format(name)) if "type" in e]


def await_trade(streams: Any, name: str, after: str = "0-0") -> None:
    streams.wait(TRADE.format(name), lambda e: "id" in e, after)


def unbroken(found: list[int]) -> bool:
    return found == list(range(found[0], found[0] + len(found)))


def test_added_removed_and_untouched(kit: Any, own_streams: Any) -> None:
    """What is the same keeps its connection and loses nothing, whatever its feed is called."""
    venue = kit.strict("binance", rate=100)
    service = kit.service(
        own_streams.url,
        feed("BTC", "ETH"),
        feed("SOL"),
        venues={"binance": {"ws_url": venue.url}},
        workers=2,
    )
    for name in ("BTC", "ETH", "SOL"):
        await_trade(own_streams, name)
    pids = service.workers()
    rewrite(service, kit, feeds=[feed("ADA"), feed("BTC")])
    status, said = reload(kit)
    assert status == 0, said
    assert said == [
        "removed: 1 topic (trade ETH-USDT) of binance-1",
        "removed: 1 topic (trade SOL-USDT) of binance-2",
        "added: binance-1.2 in worker 1, 1 topic (trade ADA-USDT)",
        "untouched: 1 topic on 1 connection",
    ]
    await_trade(own_streams, "ADA")
    venue.until(lambda report: report["open"] == 2 and report["subscribed"] == 2)
    await_trade(own_streams, "BTC", own_streams.newest(TRADE.format("BTC")))
    totals = service.stop()
    assert service.workers() == pids
    assert totals["restarts"] == 0
    assert marks(own_streams, "BTC") == []
    assert unbroken(ids(own_streams, "BTC"))
    for name in ("ETH", "SOL"):
        assert marks(own_streams, name) == [("gap", "removed")]
        assert own_streams.entries(TRADE.format(name))[-1]["type"] == "gap"
    report = venue.report()
    assert report["counts"]["opened"] == 3
    assert report["violations"] == []
    assert totals["data"] == sum(len(ids(own_streams, n)) for n in ("BTC", "ETH", "SOL", "ADA"))


def test_a_bad_config_changes_nothing(kit: Any, own_streams: Any) -> None:
    """The report is that of `ingest check`; the same by SIGHUP, in the log."""
    venue = kit.venue([["serve"]])
    service = kit.service(own_streams.url, feed("BTC"), venues={"binance": {"ws_url": venue.url}})
    await_trade(own_streams, "BTC")
    rewrite(service, kit, feeds=[feed("ETH", channels=["trades"]), {"venue": "binanse"}])
    status, said = reload(kit)
    checked = kit.program(
        *("-m", "ingest", "check", "config.yaml"), output="stderr", cwd=kit.directory
    )
    assert checked.exit_status() == status == 2
    assert said == [line.rstrip() for line in checked.other]
    assert len(said) > 2
    service.signal(signal.SIGHUP)
    refused = service.wait("reload: refused; the service goes on as before")
    problems = [line.removeprefix(f"{kit.directory}/") for line in refused["problems"]]
    assert problems == [line.strip() for line in said[1:]]
    await_trade(own_streams, "BTC", own_streams.newest(TRADE.format("BTC")))
    service.stop()
    assert marks(own_streams, "BTC") == []
    assert len(venue.all("accepted")) == 1


def test_what_needs_a_restart_is_refused(kit: Any, own_streams: Any) -> None:
    """As a whole: the feed that could be added is not, either."""
    venue = kit.venue([["serve"]])
    service = kit.service(own_streams.url, feed("BTC"), venues={"binance": {"ws_url": venue.url}})
    await_trade(own_streams, "BTC")
    rewrite(service, kit, feeds=[feed("BTC"), feed("ETH")], workers=2, when_slow={"bbo": "block"})
    assert reload(kit) == (
        2,
        [
            "ingest: nothing is changed:",
            "  when_slow differs: that needs a restart of the service",
            "  workers differs: that needs a restart of the service",
        ],
    )
    rewrite(service, kit, workers="auto", when_slow={})
    assert reload(kit)[0] == 0
    await_trade(own_streams, "ETH")
    service.stop()
    assert reload(kit)[0] == 1  # nobody is there


def test_another_way_to_the_venue(kit: Any, own_streams: Any) -> None:
    """Its connections are replaced, in their workers, with a mark; others notice nothing."""
    old, new = kit.strict("binance", rate=100), kit.strict("binance", rate=100)
    replay = kit.replay("--loop")
    service = kit.service(
        own_streams.url,
        feed("BTC", "ETH"),
        {"venue": "okx", "channels": ["ticker"], "instruments": ["ZEN-USDT"]},
        venues={"binance": {"ws_url": old.url}, "okx": {"ws_url": replay.urls["okx"]}},
        workers=2,
    )
    await_trade(own_streams, "BTC")
    service.wait("feed: subscribed", connection="okx-1")
    rewrite(
        service, kit, venues={"binance": {"ws_url": new.url}, "okx": {"ws_url": replay.urls["okx"]}}
    )
    status, said = reload(kit)
    assert (status, said) == (
        0,
        [
            "changed: binance-1 in worker 0, 2 topics (trade BTC-USDT, trade ETH-USDT)",
            "untouched: 1 topic on 1 connection",
        ],
    )
    new.until(lambda report: report["subscribed"] == 2)
    for name in ("BTC", "ETH"):
        reset = own_streams.wait(TRADE.format(name), lambda e: e.get("type") == "reset")
        await_trade(own_streams, name, reset)
        # The other place counts trades by itself: that is seen as well.
        assert marks(own_streams, name)[:2] == [("gap", "reloaded"), ("reset", "started")]
    old.until(lambda report: report["open"] == 0)
    assert old.report()["counts"]["client closed 1001"] == 1
    service.stop()
    kinds = [e["type"] for e in own_streams.data("md:binance:feed:binance-1")]
    assert kinds == ["connected", "left", "disconnected", "connected", "disconnected"]
    assert replay.status()["closes"] == {"1001": 1}


def test_changes_outlive_a_worker(kit: Any, own_streams: Any) -> None:
    """One that is killed comes back with what it was told meanwhile; the log's level, too."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        own_streams.url,
        feed("BTC"),
        venues={"binance": {"ws_url": venue.url}},
        log={"level": "warning"},
    )
    await_trade(own_streams, "BTC")
    rewrite(service, kit, feeds=[feed("ETH")], log={"level": "debug"})
    service.signal(signal.SIGHUP)
    service.wait("reload: done")
    pid = service.wait("feed: subscribed", topics=1)  # now said
    await_trade(own_streams, "ETH")
    assert pid
    [worker] = _children(service.process.pid)
    os.kill(worker, signal.SIGKILL)
    reset = own_streams.wait(TRADE.format("ETH"), lambda e: e.get("type") == "reset")
    await_trade(own_streams, "ETH", reset)
    newest = own_streams.newest(TRADE.format("BTC"))
    service.stop()
    assert own_streams.newest(TRADE.format("BTC")) == newest


def test_a_stream_comes_back_to_its_worker(kit: Any, own_redis: Any, streams_at: Any) -> None:
    """What it has on disk goes first, though another worker had more room."""
    venue = kit.venue([["serve"]])
    service = kit.service(
        own_redis.url,
        feed("BTC"),
        feed("ETH", "SOL"),
        venues={"binance": {"ws_url": venue.url}},
        workers=2,
    )
    service.wait("spool: entries go to disk", times=2)
    rewrite(service, kit, feeds=[feed("BTC")])
    assert reload(kit)[0] == 0
    rewrite(service, kit, feeds=[feed("BTC"), feed("SOL")])
    status, said = reload(kit)
    [added] = [line for line in said if line.startswith("added")]
    assert status == 0
    # The largest is dealt first: worker 0 had it.
    assert added == "added: binance-2.2 in worker 0, 1 topic (trade SOL-USDT)"
    service.wait("feed: subscribed", connection="binance-2.2")
    own_redis.start()
    service.wait("spool: all entries are sent", times=2)
    streams = streams_at(own_redis.path)
    reset = streams.wait(TRADE.format("SOL"), lambda e: e.get("type") == "reset")
    await_trade(streams, "SOL", reset)
    service.stop()
    first, then, *more = marks(streams, "SOL")
    assert [first, then] == [("gap", "removed"), ("reset", "started")]
    found = ids(streams, "SOL")
    assert found == sorted(set(found))
    # What was sent while nobody listened, if anything, is marked once more where Redis could
    # be asked in time for the last trade before: exactly that, and nothing else is missing.
    missing = sorted(set(range(found[0], found[-1])) - set(found))
    assert unbroken(missing) if missing else not more
    assert more in ([], [("gap", "sequence")])
    for gap in streams.entries(TRADE.format("SOL")):
        if gap.get("reason") == "sequence":
            assert (int(gap["from_seq"]), int(gap["to_seq"])) == (missing[0], missing[-1])
    assert unbroken(ids(streams, "BTC"))


def test_not_while_an_earlier_run_is_still_to_be_sent(kit: Any, own_redis: Any) -> None:
    """What is on disk may be of the stream that comes; what only goes may go."""
    venue = kit.venue([["serve"]])
    for _ in range(2):
        service = kit.service(
            own_redis.url, feed("BTC"), feed("ETH"), venues={"binance": {"ws_url": venue.url}}
        )
        service.wait("sink: no connection; entries are kept, trying again", attempt=4)
        if not service.all("spool: an earlier process left entries"):
            service.stop()
    rewrite(service, kit, feeds=[feed("BTC"), feed("SOL")])
    status, said = reload(kit)
    assert status == 1
    assert "what an earlier run left on disk" in said[1]
    rewrite(service, kit, feeds=[feed("BTC")])
    assert reload(kit)[0] == 0
    own_redis.start()
    service.wait("spool: all entries are sent")
    service.stop()


def test_the_socket_is_its_owners(kit: Any, own_streams: Any) -> None:
    """0600 in 0700; gone after the end, and after kill -9 no hindrance."""
    venue = kit.venue([["serve"]])
    more = {"venues": {"binance": {"ws_url": venue.url}}}
    service = kit.service(own_streams.url, feed("BTC"), **more)
    service.wait("feed: subscribed")
    path = kit.directory / "data/control/config.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    service.signal(signal.SIGKILL)
    service.exit_status()
    assert path.exists()
    service = kit.service(own_streams.url, feed("BTC"), **more)
    service.wait("feed: subscribed")
    status, said = reload(kit)
    assert (status, said) == (0, ["untouched: 1 topic on 1 connection"])
    service.stop()
    assert not path.exists()


def test_a_terminal_that_is_closed_is_no_reload(kit: Any, own_streams: Any) -> None:
    """It sends SIGHUP as well: nobody is there any more, and the service stops."""
    venue = kit.venue([["serve"]])
    master, slave = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    service = kit.service(
        own_streams.url,
        feed("BTC"),
        venues={"binance": {"ws_url": venue.url}},
        popen={"preexec_fn": take_terminal, "pass_fds": [slave]},
    )
    os.close(slave)
    service.wait("feed: subscribed")
    service.signal(signal.SIGHUP)
    service.wait("reload: done")
    os.close(master)
    assert service.exit_status() == 0, service.text()
    assert service.wait("service: signal received")["signal"] == "SIGHUP"


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

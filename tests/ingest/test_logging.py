"""Log lines: their form, what is masked, what is left out."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ingest.logging import bind_context, configure, set_level, worth_a_line


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is global: put it back as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    captured = capsys.readouterr()
    assert captured.out == ""
    found: dict[str, Any] = json.loads(captured.err.splitlines()[-1])
    return found


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One object per line on stderr, with time, level, context and values."""
    configure("json", "info")
    bind_context(worker=1)
    structlog.get_logger().bind(connection="binance-1").info("connected", attempt=2)

    line = last(capsys)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "event": "connected",
        "level": "info",
        "worker": 1,
        "connection": "binance-1",
        "attempt": 2,
    }


def test_libraries_come_out_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """The standard library's logging has the same form, level and masking."""
    configure("json", "warning")
    bind_context(worker=1)
    library = logging.getLogger("some.library")
    library.info("not shown")
    library.warning("lost %s", "redis://:pw@h")

    line = last(capsys)
    del line["timestamp"]

    assert line == {
        "event": "lost redis://:***@h",
        "level": "warning",
        "logger": "some.library",
        "worker": 1,
    }


def test_secrets_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """By key and by look, inside containers, exceptions and other objects too."""
    configure("json", "info")
    structlog.get_logger().info(
        "at redis://u:pw1@h",
        password="pw2",
        settings={"api_key": "pw3", "urls": ["redis://:pw4@h"]},
        error=OSError("cannot reach redis://:pw5@h"),
        other={1: b"redis://:pw6@h"},
        token=None,
    )

    line = last(capsys)

    assert "pw" not in json.dumps(line).replace("password", "")
    assert line["event"] == "at redis://u:***@h"
    assert line["error"] == "cannot reach redis://:***@h"
    assert line["token"] is None


def test_tracebacks_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """In both forms, and without local variables."""
    for form in ("json", "console"):
        configure(form, "info")  # type: ignore[arg-type]  # a loop over the Literal
        secret = "redis://:pw7@h"
        try:
            raise OSError(f"cannot reach {secret}")
        except OSError:
            structlog.get_logger().exception("failed")
        text = capsys.readouterr().err

        assert "Traceback" in text
        assert "cannot reach redis://:***@h" in text
        assert "pw7@" not in text.replace('secret = "redis://:pw7@h"', "")


def test_console_is_plain_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One readable line without colours."""
    configure("console", "info")
    structlog.get_logger().info("connected", venue="binance")

    text = capsys.readouterr().err

    assert "\x1b" not in text
    assert re.fullmatch(r"\S+Z \[info *\] connected +venue=binance\n", text)


def test_below_the_level_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """A filtered event costs no processing: its values are not even looked at."""

    class Untouchable:
        def __repr__(self) -> str:
            raise AssertionError("looked at")

    configure("json", "error")
    structlog.get_logger().warning("not shown", value=Untouchable())

    assert capsys.readouterr().err == ""


def test_a_reader_of_stderr_who_left_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ingest run … 2>&1 | head` must not end the service."""

    class Gone:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    configure("json", "info")

    structlog.get_logger().info("nobody reads this")


def test_which_attempts_are_logged() -> None:
    """The first, then each time the number has doubled."""
    assert [n for n in range(1, 40) if worth_a_line(n)] == [1, 2, 4, 8, 16, 32]


def test_another_level_at_run_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Also of loggers that have logged before, and of the standard library's."""
    configure("json", "warning")
    log = structlog.get_logger()
    log.info("too early")
    set_level("debug")
    log.debug("now")
    logging.getLogger("other").debug("now as well")
    set_level("error")
    log.warning("too late")
    logging.getLogger("other").warning("too late")
    said = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["now", "now as well"]


UNCAUGHT = """
import asyncio, sys, threading
from ingest.logging import configure
configure("json", "info")
async def fails(): raise OSError("no redis://u:hunter2@h, nor S3cr3t/42")
async def forgotten(): asyncio.create_task(fails()); await asyncio.sleep(0)
def of_thread(): asyncio.run(fails())
asyncio.run(forgotten())
thread = threading.Thread(target=of_thread); thread.start(); thread.join()
of_thread()
"""


def test_errors_that_nobody_caught() -> None:
    """Of a task, of a thread, of the program: with their traceback, and without secrets."""
    ended = subprocess.run(
        [sys.executable, "-c", UNCAUGHT],
        env={**os.environ, "MY_TOKEN": "S3cr3t/42"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "hunter2" not in ended.stderr
    assert "S3cr3t" not in ended.stderr
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert "no redis://u:***@h, nor ***" in line["exception"]
        assert "in fails" in line["exception"]

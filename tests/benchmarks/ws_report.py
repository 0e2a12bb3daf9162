"""What `scripts/bench ws` found, as tables on the terminal and in docs/benchmarks.md."""

import datetime
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from wscore.provider import version as libcurl_version

if TYPE_CHECKING:
    from tests.benchmarks.ws import Job

DOCUMENT = Path(__file__).parents[2] / "docs/benchmarks.md"
BEGIN, END = "<!-- scripts/bench ws -->\n", "<!-- end -->\n"

Results = Mapping["Job", Mapping[str, float]]
Rows = list[list[str]]

RECEIVE = ["", "", "client", "CPU µs/message", "messages/s", "CPU, ours `recv_many` = 1"]
ECHO = ["", "", "client", "p50 µs", "p99 µs", "CPU µs/round trip"]


def size_name(size: int) -> str:
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


def client_name(job: "Job") -> str:
    return f"{job.client} `{job.what}`" if job.client == "wscore" else job.client


def receive_rows(results: Results) -> Rows:
    base = {
        (job.scheme, job.size): result["cpu_us"]
        for job, result in results.items()
        if job.what == "recv_many"
    }
    rows = []
    for job, result in results.items():
        if job.is_echo:
            continue
        own = base.get((job.scheme, job.size))
        ratio = f"{result['cpu_us'] / own:.2f}" if own else ""
        rows.append(
            [
                *(job.scheme, size_name(job.size), client_name(job)),
                *(f"{result['cpu_us']:.3f}", f"{result['rate']:,.0f}", ratio),
            ]
        )
    return rows


def echo_rows(results: Results) -> Rows:
    return [
        [
            job.scheme,
            size_name(job.size),
            f"{job.client}{job.what.removeprefix('echo')}",
            *(f"{result[name]:.1f}" for name in ("p50", "p99", "cpu_us")),
        ]
        for job, result in results.items()
        if job.is_echo
    ]


def show(results: Results, console: Console) -> None:
    for title, header, rows in (
        ("Receiving", RECEIVE, receive_rows(results)),
        ("Echo, one message at a time", ECHO, echo_rows(results)),
    ):
        table = Table(title=title)
        for index, name in enumerate(header):
            table.add_column(name, justify="left" if index < 3 else "right")
        previous = None
        for row in rows:
            if previous not in (None, row[:2]):
                table.add_section()
            previous = row[:2]
            table.add_row(*row)
        console.print(table)


def markdown(header: list[str], rows: Rows) -> str:
    lines = [header, ["---"] * 3 + ["---:"] * (len(header) - 3), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(results: Results, rounds: int, *, pinned: bool) -> None:
    """Put the tables between the markers of docs/benchmarks.md."""
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    body = (
        f"{machine(rounds, pinned=pinned)}\n### Receiving\n\n"
        f"{markdown(RECEIVE, receive_rows(results))}\n### Echo, one message at a time\n\n"
        f"{markdown(ECHO, echo_rows(results))}\n"
    )
    DOCUMENT.write_text(before + BEGIN + "\n" + body + END + after)


def machine(rounds: int, *, pinned: bool) -> str:
    names = ["picows", "aiohttp", "websockets", "curl_cffi", "uvloop"]
    versions = [f"{name} {found}" for name in names if (found := installed(name))]
    where = "server and clients each on a CPU of their own" if pinned else "not pinned"
    return (
        f"`scripts/bench ws --rounds {rounds}`, {datetime.date.today():%Y-%m-%d}; "  # noqa: DTZ011 - the reader's day
        f"{cpu_model()}, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}; {where}; medians of {rounds} alternating rounds. "
        f"libcurl {libcurl_version()}; {', '.join(versions)}.\n"
    )


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu_model() -> str:
    found = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return ", ".join(sorted(found)) or platform.machine()

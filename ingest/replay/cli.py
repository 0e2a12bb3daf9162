"""The command `ingest replay`."""

import asyncio
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
import uvloop

from ingest.cli.options import Speed
from ingest.recordings.bundled import bundled_recordings
from ingest.recordings.errors import RecordingError
from ingest.replay.errors import ReplayError
from ingest.replay.journal import Journal
from ingest.replay.library import Library, load
from ingest.replay.report import Started
from ingest.replay.server import ReplayServer
from ingest.replay.tls import make_certificate, server_context


class _UsageError(click.ClickException):
    exit_code = 2


class _Address(click.ParamType[tuple[str, int]]):
    """`host:port`, `[::1]:port` or `:port`."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, colon, port = str(value).rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r} is not an address; use host:port, port 0 for any", param, ctx)
        return host.removeprefix("[").removesuffix("]"), int(port)


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--listen", type=_Address(), default="127.0.0.1:0", help="Port 0: any free one.")
@click.option(
    "--speed",
    type=Speed(),
    metavar="1|N|max",
    default="1",
    help="As recorded (1), N times that, or max.",
)
@click.option(
    "--within",
    type=click.FloatRange(min=0, min_open=True),
    help="Instead of --speed: every topic to its end in so many seconds.",
)
@click.option("--loop", is_flag=True, help="Start a topic over when it is at its end.")
@click.option("--tls", is_flag=True, help="Serve wss:// and https:// for localhost.")
@click.option(
    "--cert",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM, to serve TLS with instead of a certificate of our own.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM, the key of --cert.",
)
@click.option(
    "--ping-interval",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    help="Seconds between PING frames to a client (20).",
)
@click.option(
    "--ping-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    help="Seconds without an answer until it is left (60).",
)
@click.option("--journal", type=click.Path(path_type=Path), help="Append all that happens here.")
def replay(
    paths: tuple[str, ...],
    listen: tuple[str, int],
    speed: float | None,
    within: float | None,
    loop: bool,
    tls: bool,
    cert: Path | None,
    key: Path | None,
    ping_interval: float,
    ping_timeout: float,
    journal: Path | None,
) -> None:
    """Serve recordings as if this were the exchange.

    PATH is a recording or a directory of them, or VENUE=PATH where nothing in it
    says which venue it is of; without any, the recordings that come with ingest.
    Prints one line of JSON when it serves (where, what), and one at the end (what
    was sent); ends on SIGTERM or SIGINT.
    """
    if (cert is None) != (key is None):
        raise _UsageError("--cert and --key go together")
    try:
        library = load(paths or [str(bundled_recordings())])
    except RecordingError as exc:
        raise _UsageError(str(exc)) from exc
    _describe(library)
    if within is not None:
        speed = max(library.seconds, 1e-9) / within
    with ExitStack() as stack:
        try:
            if tls and cert is None:
                folder = stack.enter_context(TemporaryDirectory(prefix="ingest-replay-"))
                cert, key = make_certificate(Path(folder))
            context = server_context(cert, key) if cert is not None and key is not None else None
            record = None if journal is None else stack.enter_context(Journal(journal))
            server = ReplayServer(
                library,
                host=listen[0],
                port=listen[1],
                speed=speed,
                loop=loop,
                tls=context,
                ping_interval_s=ping_interval,
                ping_timeout_s=ping_timeout,
                journal=record,
            )
            uvloop.run(_run(server, library, speed, "" if cert is None else str(cert)))
        except asyncio.CancelledError as exc:
            raise click.ClickException("stopped by a second signal; no summary") from exc
        except ReplayError as exc:
            raise click.ClickException(str(exc)) from exc


def _describe(library: Library) -> None:
    for name, venue in library.venues.items():
        answers = sum(len(recorded) for recorded in venue.answers.values())
        click.echo(
            f"{name}: {venue.messages} messages of {len(venue.tracks)} topics, {answers} REST "
            f"answers; {venue.not_data} recorded acks and errors left out",
            err=True,
        )
    for folder, count in library.passed_over.items():
        click.echo(f"passed over {count} files in {folder}: no replay for this venue", err=True)


async def _run(server: ReplayServer, library: Library, speed: float | None, ca: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None

    def on_signal() -> None:
        if stop.is_set():
            main.cancel()  # clients that do not answer our CLOSE are waited for no longer
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    async with server:
        started = Started(
            listen=server.listen,
            urls=server.urls,
            rest=server.rest_urls,
            topics=sum(len(venue.tracks) for venue in library.venues.values()),
            messages=sum(venue.messages for venue in library.venues.values()),
            seconds=library.seconds,
            speed=speed,
            ca=ca,
        )
        _print_line(msgspec.json.encode(started))
        playing = asyncio.ensure_future(server.run())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()  # only ever an error
        playing.cancel()
    _print_line(msgspec.json.encode(server.report(all_topics=False)))


def _print_line(line: bytes) -> None:
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()

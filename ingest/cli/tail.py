"""`ingest tail PATTERN`: follow streams in Redis."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from ingest.cli.follow import Entry, follow
from ingest.config import embedded_socket, socket_url
from ingest.config.leaves import parse_redis_url

_DATA_DIR = "./data"


@click.command()
@click.argument("pattern", default="md:*")
@click.option("--url", envvar="INGEST_REDIS_URL", help="The Redis to read.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many entries.")
@click.option(
    "--from",
    "start",
    type=click.Choice(["now", "beginning"]),
    default="now",
    show_default=True,
    help="Begin with what comes, or with all that is there.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def tail(pattern: str, url: str | None, count: int | None, start: str, as_json: bool) -> None:
    """Follow the streams whose keys match PATTERN; Ctrl-C stops.

    PATTERN is a Redis pattern, such as 'md:binance:trade:*' (quote it; default
    md:*). Data in other systems' encodings is under their keys: 'trades-*',
    'stream:*'. Streams that appear later are followed too. Each entry is one line:
    key, id, then field=value; with --json an object with key, id and fields.

    The Redis is that of --url, else of INGEST_REDIS_URL, else the server that
    "ingest run" started under ./data.
    """
    write = _json_line if as_json else _text_line
    # A service manager's stop is as good as Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    left = count
    try:
        batches = follow(
            _redis_url(url),
            pattern,
            from_beginning=start == "beginning",
            say=lambda text: click.echo(f"tail: {text}", err=True),
        )
        for batch in batches:
            shown = batch if left is None else batch[:left]
            _print(shown, write)
            if left is not None:
                left -= len(shown)
                if left == 0:
                    return
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _redis_url(given: str | None) -> str:
    if given is None:
        socket = embedded_socket(_DATA_DIR)
        if not socket.exists():
            raise click.UsageError(
                f"no Redis to read: give --url, set INGEST_REDIS_URL, or start in the "
                f"directory of a running service (there is no {Path(_DATA_DIR) / socket.name})"
            )
        return socket_url(socket)
    try:
        return parse_redis_url(given)
    except ValueError as exc:
        raise click.UsageError(f"the URL of the Redis cannot be used: {exc}") from None


def _print(entries: list[Entry], line: Callable[[Entry], str]) -> None:
    sys.stdout.write("".join(f"{line(entry)}\n" for entry in entries))
    sys.stdout.flush()


def _text_line(entry: Entry) -> str:
    fields = (f"{_word(_text(k))}={_word(_text(v))}" for k, v in entry.fields.items())
    return f"{_word(_text(entry.key))} {_text(entry.id)} {' '.join(fields)}"


def _json_line(entry: Entry) -> str:
    fields = {_text(k): _text(v) for k, v in entry.fields.items()}
    shown = {"key": _text(entry.key), "id": _text(entry.id), "fields": fields}
    return msgspec.json.encode(shown).decode()


def _text(value: bytes) -> str:
    """Return a field's bytes as text; a record in MessagePack as JSON."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        pass  # MessagePack's maps begin with a byte that UTF-8 never begins with
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(value)).decode()
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError, RecursionError):
        return value.decode(errors="backslashreplace")


def _word(text: str) -> str:
    """Quote what would break the line, the columns or the terminal."""
    return text if text.isprintable() and " " not in text and text else json.dumps(text)

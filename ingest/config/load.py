"""From a file to a `Config`, or to the list of everything that is wrong with it."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from ingest.config import rules
from ingest.config.document import Table, parse
from ingest.config.feeds import FeedRules, with_names
from ingest.config.problems import Problems
from ingest.config.reader import Reader, Section, shown
from ingest.config.schema import (
    Config,
    FeedConfig,
    ReconnectConfig,
    RedisConfig,
    Selector,
    VenueConfig,
)
from ingest.config.selectors import check_selector
from ingest.errors import ConfigError

MAX_FILE_BYTES = 4 * 2**20


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read, check and complete the config in a file.

    *environ* supplies `${NAME}`; by default it is the process's environment.

    Raises:
        ConfigError: with every mistake there is, each as `file:line: key …`.
    """
    file = str(path)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError([f"{file}: cannot be read: {exc.strerror}"]) from exc
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([f"{file}: is larger than {MAX_FILE_BYTES:,} bytes; is it a config?"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError([f"{file}:{line}: is not UTF-8; save the file as UTF-8"]) from exc
    return parse_config(text, file, os.environ if environ is None else environ)


def parse_config(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """As `load`, of a text; *file* is what the mistakes call it."""
    problems = Problems(file)
    root = parse(text, environ, problems)
    if root is None and not problems:
        problems.add(None, "is empty; it needs feeds (see docs/config.md)")
    if isinstance(root, Table):
        config = _read(root, problems)
    elif root is not None:
        problems.add(root.line, f"is {shown(root)}; use a mapping with feeds (see docs/config.md)")
    if problems:
        raise ConfigError(problems.lines())
    return structs.replace(config, feeds=with_names(config.feeds))


def _read(root: Table, problems: Problems) -> Config:
    feed_rules = FeedRules()

    def check_config(section: Section) -> None:
        rules.check_venue_names(section)
        feed_rules.check_names()
        feed_rules.check_keys(section.get("redis"))

    reader = Reader(
        problems,
        {
            Config: check_config,
            FeedConfig: feed_rules.check,
            ReconnectConfig: rules.check_reconnect,
            RedisConfig: rules.check_redis,
            Selector: check_selector,
            VenueConfig: rules.check_venue,
        },
    )
    config: Config = reader.struct(Config, root, "")
    return config

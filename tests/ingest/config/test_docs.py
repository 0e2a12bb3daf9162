"""docs/config.md cannot go stale: its tables are those of the Structs."""

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT, Struct, structs

from ingest.config import schema
from ingest.config.describe import accepts
from ingest.config.document import parse
from ingest.config.problems import Problems

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "config.md").read_text()
SECTIONS: dict[str, list[type[Struct]]] = {
    "Top level": [schema.Config],
    "redis": [schema.RedisConfig, schema.WaitConfig],
    "venues": [schema.VenueConfig],
    "feeds": [schema.FeedConfig, schema.Selector],
    "spool": [schema.SpoolConfig],
    "when_slow": [schema.WhenSlowConfig],
    "instruments": [schema.InstrumentsConfig],
    "reconnect": [schema.ReconnectConfig],
    "websocket": [schema.WebSocketConfig],
    "shutdown": [schema.ShutdownConfig],
    "metrics": [schema.MetricsConfig],
    "log": [schema.LogConfig],
}


def default_text(field: structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default: Any = field.default
    if default is NODEFAULT:
        return "empty"
    if isinstance(default, Struct):
        return "see below"
    if field.name.endswith("_bytes"):
        return f"`{default // 2**30}GiB`" if default >= 2**30 else f"`{default // 2**20}MiB`"
    words = {None: "null", True: "true", False: "false"}
    if default == "":
        return "the venue and a number"
    return f"`{words[default] if isinstance(default, bool | None) else default}`"


@pytest.mark.parametrize("title", SECTIONS)
def test_tables_are_those_of_the_structs(title: str) -> None:
    """Every key is there with what it accepts and its default, and no other key."""
    section = DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \| .+ \|$", section, flags=re.MULTILINE)

    assert rows == [
        (f"`{field.encode_name}`", accepts(field.type), default_text(field))
        for struct in SECTIONS[title]
        for field in structs.fields(struct)
    ]


def test_every_struct_has_its_section() -> None:
    """A new Struct in the schema needs a table."""
    known = {struct for group in SECTIONS.values() for struct in group}
    there = {
        value
        for value in vars(schema).values()
        if isinstance(value, type)
        and issubclass(value, Struct)
        and value.__module__ == schema.__name__
    }

    assert there == known


def test_the_page_is_reached_by_the_examples_in_it() -> None:
    """The YAML on the page is YAML."""
    for block in re.findall(r"```yaml\n(.*?)```", DOCS, flags=re.DOTALL):
        problems = Problems("docs")
        assert parse(block, {}, problems) is not None
        assert problems.lines() == []

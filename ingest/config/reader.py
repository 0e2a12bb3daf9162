"""Reads a tree into Structs and notes every mistake instead of stopping at one.

The types of the Structs' fields say what is accepted. A field in which there is
a mistake reads as `INVALID`; the Structs made of such fields are never handed
out, since a config with mistakes is not.
"""

import json
import math
from collections.abc import Callable, Mapping
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct, structs

from ingest.config.describe import accepts, alternatives, is_struct, keys, leaf_of
from ingest.config.document import Items, Node, Scalar, Table, Unusable
from ingest.config.environment import variables
from ingest.config.problems import Problems, choose
from ingest.redact import redact_text, redact_url

_SHOWN_CHARS = 80


class _Invalid(Enum):
    INVALID = "invalid"


INVALID: Final = _Invalid.INVALID


class Section:
    """One mapping of the file while its rules are checked.

    `fields` holds the values by attribute name, defaults included; what is
    `INVALID` or missing although required has been reported already.
    """

    def __init__(self, path: str, table: Table, problems: Problems) -> None:
        self.path = path
        self.table = table
        self.problems = problems
        self.fields: dict[str, Any] = {}

    def given(self, key: str) -> bool:
        """Tell whether the file has this key here."""
        return key in self.table.entries

    def get(self, name: str) -> Any:
        """Return the value of a field; `None` where there is no usable one."""
        value = self.fields.get(name)
        return None if value is INVALID else value

    def report(self, key: str, text: str, index: int | None = None) -> None:
        """Note a mistake at one key, or at one item of the list under it."""
        path = f"{self.path}.{key}" if self.path else key
        line = self.line(key, index)
        self.problems.add(line, f"{path}{'' if index is None else f'[{index}]'} {text}")

    def line(self, key: str, index: int | None = None) -> int:
        """Return where a key or an item of its list stands; if it is absent, the mapping."""
        node = self.table.entries.get(key)
        if index is not None and isinstance(node, Items):
            return node.items[index].line
        return self.table.key_lines.get(key, self.table.line)

    def shown(self, key: str, index: int | None = None) -> str:
        """Return the text of a value as a report may show it."""
        return shown(self._node(key, index))

    def hidden(self, key: str, index: int | None = None) -> bool:
        """Tell whether a value came out of the environment: nothing may quote it."""
        node = self._node(key, index)
        return isinstance(node, Scalar) and node.source is not None

    def _node(self, key: str, index: int | None) -> Node:
        node = self.table.entries[key]
        return node.items[index] if index is not None and isinstance(node, Items) else node


Check = Callable[[Section], None]


class Reader:
    """Reads nodes by type; *checks* holds the rules that concern a whole Struct."""

    def __init__(self, problems: Problems, checks: Mapping[type[Struct], Check]) -> None:
        self._problems = problems
        self._checks = checks

    def read(self, hint: Any, node: Node, path: str) -> Any:
        """Return the value of *node* as *hint* says, or `INVALID`."""
        if isinstance(node, Unusable):
            return INVALID
        options = alternatives(hint)
        is_null = isinstance(node, Scalar) and node.value is None
        if is_null and NoneType in options:
            return None
        fitting = [option for option in options if _fits(option, node)]
        if is_null and isinstance(node, Scalar):
            # A section whose keys are all commented out: its defaults.
            fitting = [option for option in options if _is_mapping(option)]
            if fitting:
                node = Table(node.line, {}, {})
        if not fitting:
            return self._refuse(node, path, f"use {accepts(hint)}")
        if isinstance(node, Scalar):
            return self._scalar(hint, fitting, node, path)
        kind = fitting[0]
        if isinstance(node, Items):
            return self._items(get_args(kind)[0], node, path)
        if is_struct(kind):
            return self.struct(kind, node, path)
        of = get_args(kind)[1]
        return {name: self.read(of, n, f"{path}.{name}") for name, n in node.entries.items()}

    def struct(self, kind: type[Struct], table: Table, path: str) -> Any:
        """Read a mapping with known keys; `INVALID` if a required one is missing."""
        section = Section(path, table, self._problems)
        complete = True
        for field in structs.fields(kind):
            node = table.entries.get(field.encode_name)
            if node is not None:
                child = f"{path}.{field.encode_name}" if path else field.encode_name
                section.fields[field.name] = self.read(field.type, node, child)
            elif field.required:
                complete = False
                section.report(field.encode_name, f"is missing; give {accepts(field.type)}")
            elif field.default is not NODEFAULT:
                section.fields[field.name] = field.default
            else:
                section.fields[field.name] = field.default_factory()
        known = keys(kind)
        for key in table.entries:
            # At the top, `x-…` is a place for anchors, as in Compose files.
            if key not in known and not (not path and key.startswith("x-")):
                section.report(key, f"is not a known key; {choose(key, known)}")
        check = self._checks.get(kind)
        if check is not None:
            check(section)
        return kind(**section.fields) if complete else INVALID

    def _items(self, of: Any, node: Items, path: str) -> Any:
        if not node.items:
            # No list of this schema means anything when it is empty.
            self._problems.add(node.line, f"{path} is empty; list at least one")
            return INVALID
        return tuple(self.read(of, n, f"{path}[{i}]") for i, n in enumerate(node.items))

    def _scalar(self, hint: Any, fitting: list[Any], node: Scalar, path: str) -> Any:
        value = node.value
        wants_text = str in fitting or leaf_of(hint) is not None
        if node.source is not None and wants_text and not isinstance(value, str):
            value = node.text  # a variable cannot be quoted to make it text
        leaf = next((leaf_of(option) for option in fitting if leaf_of(option)), None)
        if leaf is not None:
            try:
                return leaf.parse(value)
            except ValueError as exc:
                return self._refuse(node, path, str(exc), secret=leaf.secret)
        try:
            converted = msgspec.convert(value, hint)
        except msgspec.ValidationError:
            return self._refuse(node, path, self._advice(hint, node))
        if converted == "" or (isinstance(converted, float) and not math.isfinite(converted)):
            return self._refuse(node, path, f"use {accepts(hint)}")
        return converted

    def _advice(self, hint: Any, node: Scalar) -> str:
        words = [
            str(word)
            for option in alternatives(hint)
            if get_origin(option) is Literal
            for word in get_args(option)
        ]
        if words and len(alternatives(hint)) == 1 and node.source is None:
            return choose(node.text, words)
        if hint is str:
            return "put it in quotes if it is a name"
        return f"use {accepts(hint)}"

    def _refuse(self, node: Node, path: str, advice: str, *, secret: bool = False) -> Any:
        self._problems.add(node.line, f"{path or 'the file'} is {shown(node, secret)}; {advice}")
        return INVALID


def shown(node: Node, secret: bool = False) -> str:
    """Return a value as a report may show it: short, and without what is secret.

    Values out of the environment are never shown, only the variables' names: what
    stands beside them, or is their default, may belong to a password.
    With *secret* it ought to be a URL, and only what looks like a host is shown of it.
    """
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Unusable) or node.value is None:
        return "null (no value)"
    if node.source is not None:
        names = ", ".join(f"${{{name}}}" for name in variables(node.source))
        return f"the value of {_short(names)} (not shown)"
    text = redact_url(node.text) if secret else redact_text(node.text)
    if isinstance(node.value, str):
        return json.dumps(_short(text), ensure_ascii=False)
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _is_mapping(hint: Any) -> bool:
    return is_struct(hint) or get_origin(hint) is dict


def _fits(hint: Any, node: Node) -> bool:
    """Tell whether a node has the shape that a type needs: list, mapping or value."""
    if isinstance(node, Items):
        return get_origin(hint) is tuple
    if isinstance(node, Table):
        return _is_mapping(hint)
    return get_origin(hint) is not tuple and not _is_mapping(hint) and hint is not NoneType

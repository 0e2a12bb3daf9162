"""A YAML text as a tree that knows its lines and has its variables filled in.

PyYAML only composes: it builds no objects, so a tag can do no harm, and every
node keeps its line. Scalars are read by the rules of YAML 1.2's core schema
(`no` and `12:30` are text), because schema-directed readers follow.
"""

import re
from collections.abc import Mapping

import yaml
from msgspec import Struct

from ingest.config.environment import Substitution, SubstitutionError, substitute
from ingest.config.problems import Problems

# Far above any real config; they keep a hostile or mistaken file from costing
# minutes or gigabytes (aliases multiply, and pure-Python YAML is slow).
MAX_NODES = 200_000
MAX_DEPTH = 24

_INT = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

_TAG = "tag:yaml.org,2002:"
_MERGE_TAG = _TAG + "merge"
_SCALAR_TAGS = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)

Plain = str | int | float | bool | None


class Scalar(Struct, frozen=True):
    """One value; `source` is its text in the file where a variable went into it."""

    line: int
    text: str
    value: Plain
    source: str | None = None


class Items(Struct, frozen=True):
    """A list."""

    line: int
    items: "tuple[Node, ...]"


class Table(Struct, frozen=True):
    """A mapping; `key_lines` says where each key stands."""

    line: int
    entries: "dict[str, Node]"
    key_lines: dict[str, int]


class Unusable(Struct, frozen=True):
    """A value about which a mistake has already been noted."""

    line: int


Node = Scalar | Items | Table | Unusable


def parse(text: str, environ: Mapping[str, str], problems: Problems) -> Node | None:
    """Read one YAML document; `None` for an empty one or one with a syntax mistake.

    Mistakes go to *problems*: syntax, duplicate keys, foreign tags, variables
    that are not set, too large or too deep.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        problems.add(line, _syntax(exc, _line_of(text, line)))
        return None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        problems.add(line, f"character U+{int(exc.character):04X} cannot be in YAML; remove it")
        return None
    except RecursionError:
        problems.add(None, _too_deep())
        return None
    if root is None:
        return None
    builder = _Builder(environ, problems)
    try:
        return builder.node(root, "", 0)
    except _TooLarge as exc:
        problems.add(root.start_mark.line + 1, str(exc))
        return None


def resolve(text: str) -> Plain:
    """Read the text of a plain scalar as YAML does: null, true, 12, 1_000, 0.5, text."""
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if _INT.fullmatch(text) and len(text) <= 40:
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


class _TooLarge(Exception):
    """The tree is larger or deeper than any config could be."""


class _Builder:
    """Turns PyYAML's nodes into ours, once for each place where an alias puts them."""

    def __init__(self, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self._nodes = 0

    def node(self, node: yaml.Node, path: str, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooLarge(
                f"the file holds more than {MAX_NODES:,} values once its aliases are filled in; "
                "use fewer aliases"
            )
        if depth > MAX_DEPTH:  # also where an alias stands inside its own anchor
            raise _TooLarge(_too_deep())
        line = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._table(node, path, line, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            items = enumerate(node.value)
            return Items(line, tuple(self.node(n, f"{path}[{i}]", depth + 1) for i, n in items))
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALAR_TAGS:
            return self._scalar(node, path, line)
        self._problems.add(line, f"{path or 'the file'} has the tag {node.tag}; remove the tag")
        return Unusable(line)

    def _scalar(self, node: yaml.ScalarNode, path: str, line: int) -> Scalar | Unusable:
        text: str = node.value
        try:
            found: Substitution = substitute(text, self._environ)
        except SubstitutionError as exc:
            for problem in exc.problems:
                self._problems.add(line, f"{path or 'the file'} {problem}")
            return Unusable(line)
        if found.substituted:
            # Quoted or not: inside `{…}` a variable cannot be written unquoted.
            filled = found.text.strip()
            return Scalar(line, filled, resolve(filled), source=text)
        quoted = node.style is not None
        return Scalar(line, found.text, found.text if quoted else resolve(found.text))

    def _table(self, node: yaml.MappingNode, path: str, line: int, depth: int) -> Table:
        entries: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        merged: list[tuple[yaml.Node, int]] = []
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(key_line, f"{path or 'the file'} has a key that is not a name")
                continue
            if key_node.tag == _MERGE_TAG:
                merged.append((value_node, key_line))
                continue
            key: str = key_node.value
            child = f"{path}.{key}" if path else key
            if key in entries:
                self._problems.add(
                    key_line,
                    f"{child} is given twice, first on line {key_lines[key]}; keep one of them",
                )
                continue
            entries[key] = self.node(value_node, child, depth + 1)
            key_lines[key] = key_line
        for value_node, key_line in merged:
            self._merge(entries, key_lines, value_node, path, key_line, depth)
        return Table(line, entries, key_lines)

    def _merge(
        self,
        entries: dict[str, Node],
        key_lines: dict[str, int],
        node: yaml.Node,
        path: str,
        line: int,
        depth: int,
    ) -> None:
        """Take over what `<<: *anchor` or `<<: [*a, *b]` offers; keys that are there win."""
        several = isinstance(node, yaml.SequenceNode)
        for source_node in node.value if several else [node]:
            source = self.node(source_node, path, depth + 1)
            if not isinstance(source, Table):
                place = path or "the file"
                self._problems.add(line, f"{place} merges (<<) something that is not a mapping")
                continue
            for key, value in source.entries.items():
                if key not in entries:
                    entries[key] = value
                    key_lines[key] = source.key_lines[key]


def _too_deep() -> str:
    return f"the file is nested more than {MAX_DEPTH} levels deep"


def _line_of(text: str, line: int | None) -> str:
    lines = text.splitlines()
    return lines[line - 1] if line is not None and line <= len(lines) else ""


def _syntax(exc: yaml.MarkedYAMLError, line: str) -> str:
    """Say what the parser said, and what to do where the cause is a common one.

    The line itself stays out of the report: it may hold a password.
    """
    problem = exc.problem or exc.context or "unreadable"
    if problem == "but found another document":
        return "a second document begins here (---); keep one per file"
    message = f"not valid YAML: {problem}"
    if "\\t" in problem:
        return f"{message}; indent with spaces"
    if "alias" in problem:
        return f"{message}; put text that begins with * in quotes"
    if "${" in line and "{" in line.replace("${", ""):
        return f'{message}; inside {{ }} put a variable in quotes: "${{NAME}}"'
    if "mapping values" in problem:
        return f"{message}; check the indentation, and put text with a colon and a space in quotes"
    return message

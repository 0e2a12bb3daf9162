"""Collects every mistake of a config, so that all are reported at once."""

import difflib
from collections.abc import Iterable

from ingest.redact import redact_text


class Problems:
    """The mistakes found so far in one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        # Ordered, and each once: a part of the file that is used in several
        # places through an alias errs only once.
        self._found: dict[tuple[int, str], None] = {}

    def add(self, line: int | None, text: str) -> None:
        """Note one mistake; *line* counts from 1, None where it is the whole file's."""
        # A key may hold anything, a URL or control sequences for a terminal included.
        plain = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in redact_text(text))
        self._found[line or 0, plain] = None

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> list[str]:
        """Return `file:line: text` of each, in the file's order."""
        in_order = sorted(self._found, key=lambda found: found[0])
        return [
            f"{self._file}:{line}: {text}" if line else f"{self._file}: {text}"
            for line, text in in_order
        ]


def choose(word: str, accepted: Iterable[str]) -> str:
    """Say what to use instead of *word*: the nearest accepted one first, then all."""
    names = list(accepted)
    near = difflib.get_close_matches(word, names, n=1)
    if not near:  # as if in capitals; first as it is, for candle_1m is not candle_1M
        by_lower = {name.lower(): name for name in reversed(names)}
        near = [by_lower[n] for n in difflib.get_close_matches(word.lower(), by_lower, n=1)]
    listed = one_of(names)
    return f"did you mean {near[0]}? Use {listed}" if near else f"use {listed}"


def one_of(names: Iterable[str]) -> str:
    """Join as English does: `a`, `a or b`, `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last

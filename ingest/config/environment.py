"""`${NAME}` and `${NAME:-default}` in the values of a config. Pure."""

import re
from collections.abc import Mapping

from msgspec import Struct

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


class Substitution(Struct, frozen=True):
    """The text with its variables filled in, and whether there were any."""

    text: str
    substituted: bool


class SubstitutionError(Exception):
    """Some variables cannot be filled in; `problems` has one text for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def variables(text: str) -> list[str]:
    """Return the names of the variables in *text*, each once."""
    return list(dict.fromkeys(found[1] for found in _VARIABLE.finditer(text) if found[1]))


def substitute(text: str, environ: Mapping[str, str]) -> Substitution:
    """Fill in the variables of *text*; `$${` stands for a literal `${`.

    As in a shell, `:-default` applies to a variable that is unset or empty. What
    comes out is not searched again. An empty variable without a default is a
    mistake, not an empty value: `url: ${REDIS_URL}` must not turn into "no url".

    Raises:
        SubstitutionError: a variable is not set, or `${` does not begin one.
    """
    if "${" not in text:
        return Substitution(text, False)
    problems: list[str] = []
    substituted = False

    def fill(match: re.Match[str]) -> str:
        nonlocal substituted
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            problems.append(
                "has a ${ that begins no variable; write ${NAME} or ${NAME:-default}, "
                "and $${ for the characters themselves"
            )
            return ""
        substituted = True
        if environ.get(name):
            return environ[name]
        if default is not None:
            return default
        state = "is empty" if name in environ else "is not set"
        problems.append(
            f"needs the environment variable {name}, which {state}; "
            f"set it, or write ${{{name}:-default}}"
        )
        return ""

    filled = _VARIABLE.sub(fill, text)
    if problems:
        raise SubstitutionError(problems)
    return Substitution(filled, substituted)

"""How tables reach stdout."""

from rich.console import Console

# Where the output is no terminal: a table's columns would otherwise be cut at 80.
_PIPE_WIDTH = 200


def stdout() -> Console:
    """Return a console on stdout; coloured and as wide as the terminal only on one."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)

"""The `ingest` command as a whole: help, version, exit status, imports."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ingest.cli import COMMANDS, main
from ingest.cli.lazy import Command, LazyGroup
from ingest.errors import ConfigError, SinkError

ROOT = Path(__file__).parents[3]


def ingest(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingest", *args],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )


def test_help_lists_every_command_and_fits_80_columns() -> None:
    """A newcomer sees all there is, in the order of use."""
    result = CliRunner().invoke(main, ["--help"], terminal_width=80)

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.split("Commands:\n")[1].splitlines()] == [
        "run",
        "demo",
        "check",
        "reload",
        "tail",
        "record",
        "replay",
        "venues",
        "instruments",
    ]
    assert max(len(line) for line in result.output.splitlines()) <= 80


def test_help_imports_no_command() -> None:
    """`ingest --help` is instant because nothing heavy is imported for it."""
    code = (
        "import sys; from ingest.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'yaml', 'redis', 'rich', 'msgspec', 'structlog', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["check", "tail", "venues"])
def test_commands_are_found(name: str) -> None:
    """The table's targets exist, and their help says what the table says."""
    command = main.get_command(click.Context(main), name)

    assert command is not None
    assert command.name == name
    assert COMMANDS[name].help.endswith(".")


def test_version() -> None:
    """`--version` names the program."""
    result = CliRunner().invoke(main, ["--version"])

    assert result.exit_code == 0
    assert result.output.startswith("ingest ")


def test_unknown_command_is_bad_usage() -> None:
    """Exit status 2 and no traceback."""
    result = CliRunner().invoke(main, ["chekc"])

    assert result.exit_code == 2
    assert "No such command 'chekc'" in result.stderr


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            ConfigError(["f.yaml:1: a", "f.yaml:2: b"]),
            2,
            "ingest: the config cannot be used: 2 mistakes\n  f.yaml:1: a\n  f.yaml:2: b\n",
        ),
        (SinkError("redis://h refuses: NOPERM"), 1, "ingest: redis://h refuses: NOPERM\n"),
    ],
)
def test_errors_have_their_exit_status(error: Exception, status: int, text: str) -> None:
    """2 for a bad config, 1 for anything else on purpose; only the text is shown."""
    group = LazyGroup("ingest", lazy_commands={"x": Command("no.such:x", "X.")})

    @click.command()
    def failing() -> None:
        raise error

    group.get_command = lambda ctx, name: failing  # type: ignore[method-assign]  # a test's stand-in
    result = CliRunner().invoke(group, ["x"])

    assert result.exit_code == status
    assert result.stderr == text
    assert result.stdout == ""


def test_as_a_process(tmp_path: Path) -> None:
    """`python -m ingest check`: the plan on stdout; mistakes on stderr with status 2."""
    good = ingest("check", "configs/binance.yaml")
    assert (good.returncode, good.stderr) == (0, "")
    assert "binance-1" in good.stdout

    path = tmp_path / "bad.yaml"
    path.write_text("workers: none\n")
    bad = ingest("check", str(path))
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.splitlines() == [
        "ingest: the config cannot be used: 2 mistakes",
        f"  {path}:1: feeds is missing; give a list of mappings",
        f'  {path}:1: workers is "none"; use auto, or a whole number from 1 to 1,024',
    ]


def test_a_closed_pipe_is_quiet() -> None:
    """`ingest check … | head -0` prints no traceback."""
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m ingest check configs/binance.yaml | true'],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )

    assert done.stderr == ""

"""The `ingest` command. Each command is a module that is imported only when it runs."""

import click

from ingest.cli.lazy import Command, LazyGroup

COMMANDS = {
    "run": Command("ingest.cli.run:run", "Run the service until SIGTERM or Ctrl-C."),
    "demo": Command("ingest.cli.demo:demo", "See it work: recorded messages, no internet needed."),
    "check": Command("ingest.cli.check:check", "Check a config and show the plan."),
    "reload": Command("ingest.cli.reload:reload", "Have a running service take its config anew."),
    "tail": Command("ingest.cli.tail:tail", "Follow streams in Redis."),
    "record": Command("ingest.cli.record:record", "Write what venues send to files."),
    "replay": Command("ingest.replay.cli:replay", "Serve recordings as a venue."),
    "venues": Command("ingest.cli.venues:venues", "List the supported venues and their limits."),
    "instruments": Command("ingest.cli.instruments:instruments", "List what a venue trades."),
}


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from ingest.cli.version import version

    click.echo(f"ingest {version()}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Market data from exchange WebSockets into Redis Streams.

    To begin: "ingest demo", then "ingest run configs/binance.yaml".
    """

"""A venue that enforces its published limits, and tells which of them were broken.

    python -m tests.servers.strict --family okx [--port N] [--rate R] [--rules JSON]

It speaks the family's protocol, accepts every subscription and sends plausible data of
each topic R times a second. Who breaks a rule (tests/servers/strict/rules.py) gets what
the venue does: an error, a disconnect, or a ban (HTTP 429, 418 or 403 with Retry-After).
`--rules` replaces single rules, to scale windows down.

What happens is written to standard output, one JSON object per line: `listening`,
`violation`, `report`. Lines on standard input:

| line       | does                                                                     |
|------------|--------------------------------------------------------------------------|
| `report`   | writes a `report`: violations, how far each limit was used, counts       |
| `drop`     | ends every connection without a word                                     |
| `lose`     | withholds the next update of every topic                                 |
| `leave`    | tells every client that its connection will go away                      |
| `outage S` | as `drop`, and resets attempts for S seconds; they go on counting        |

Its end, or SIGTERM, ends the process.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from typing import Any

from tests.servers.strict.families import FAMILIES
from tests.servers.strict.rules import rules_of
from tests.servers.strict.server import StrictVenue


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", required=True, choices=FAMILIES)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--rules", type=json.loads, default={})
    arguments = parser.parse_args()
    rules = rules_of(arguments.family, arguments.rules)
    venue = StrictVenue(arguments.family, rules, say, rate=arguments.rate)
    port = await venue.start(arguments.port)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def on_stdin() -> None:
        data = os.read(sys.stdin.fileno(), 4096)  # whole lines: that is how they are written
        if not data:
            ended.set()
        for line in data.decode().splitlines():
            command, _, argument = line.partition(" ")
            if command == "report":
                say("report", **venue.report())
            elif command == "drop":
                venue.drop()
            elif command == "lose":
                venue.lose()
            elif command == "leave":
                venue.ask_to_leave()
            elif command == "outage":
                venue.outage(float(argument))

    loop.add_reader(sys.stdin.fileno(), on_stdin)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    say("listening", port=port)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())

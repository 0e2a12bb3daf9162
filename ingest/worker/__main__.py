"""`python -m ingest.worker`: the plan comes on standard input, reports go to standard output.

Not for people: the supervisor starts it. Standard input stays open for as long as
the supervisor lives; its end means that nobody is there any more, and stops us.
"""

import faulthandler
import gc
import os
import signal
import sys

import msgspec
import uvloop

from ingest import logging
from ingest.worker.service import WorkerService
from ingest.worker.start import WorkerStart


def main() -> None:
    """Run one worker; exit status 0 after a graceful stop."""
    # A loop that hangs is ended with SIGABRT, or SIGALRM: the log shows where it stood.
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, chain=True)
    # Before anything else may write to descriptor 1: that is the supervisor's pipe.
    reports = os.dup(1)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.exit("ingest.worker: no plan on standard input; the supervisor is what starts this")
    start = msgspec.json.decode(line, type=WorkerStart)
    plan = start.plan
    logging.configure(plan.log_format, plan.log_level)
    logging.bind_context(worker=plan.worker)
    service = WorkerService(start)
    # What lives now lives for ever, and what comes later is nearly all freed by its
    # reference count: the collector would walk the same objects again and again, for
    # about a twentieth of the worker's time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.exit(uvloop.run(service.run(reports)))


if __name__ == "__main__":
    main()

"""Python runs this at the start of every process that has this directory in PYTHONPATH.

SIGUSR2 makes any of them turn on the spot for ever. INGEST_TEST_HUNG_AFTER_S is how long
a worker may be silent, in place of half a minute.
"""

import os
import signal

from ingest.supervisor import supervisor


def _hang(*_: object) -> None:
    while True:
        pass


signal.signal(signal.SIGUSR2, _hang)
supervisor._HUNG_AFTER_S = float(os.environ["INGEST_TEST_HUNG_AFTER_S"])

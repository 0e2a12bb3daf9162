"""Python runs this at the start of every process that has this directory in PYTHONPATH.

SIGUSR2 makes any of them turn on the spot for ever. INGEST_TEST_HUNG_AFTER_S is how long
a worker may be silent, in place of half a minute, and half of what it takes until it is
ended without a supervisor.
"""

import os
import signal

from ingest.supervisor import supervisor
from ingest.worker import service


def _hang(*_: object) -> None:
    while True:
        pass


signal.signal(signal.SIGUSR2, _hang)
supervisor._HUNG_AFTER_S = float(os.environ["INGEST_TEST_HUNG_AFTER_S"])
service._ALARM_S = 2 * round(supervisor._HUNG_AFTER_S)

"""Python runs this at the start of every process that has this directory in PYTHONPATH.

INGEST_TEST_CONNECTS='{"binance": [20, 2.0]}' puts that in place of the venues' limits on
connection attempts, in the supervisor and in the workers: windows of minutes are too
long for a test. How the limit is kept is the service's own.
"""

import json
import os

from msgspec import structs

from ingest import venues

for _name, (_count, _window_s) in json.loads(os.environ["INGEST_TEST_CONNECTS"]).items():
    _venue = venues.get(_name)
    _limits = structs.replace(_venue.limits, connects=(_count, _window_s))
    venues._VENUES[_name] = structs.replace(_venue, limits=_limits)

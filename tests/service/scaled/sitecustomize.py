"""Python runs this at the start of every process that has this directory in PYTHONPATH.

INGEST_TEST_LIMITS='{"binance": {"connects": [20, 2.0], "rest": [6000, 6.0]}}' puts those in
place of the venues' limits on connection attempts and on REST weight, in the supervisor and
in the workers: windows of minutes are too long for a test. How a limit is kept is the
service's own.
"""

import json
import os

from msgspec import structs

from ingest import venues

for _name, _scaled in json.loads(os.environ["INGEST_TEST_LIMITS"]).items():
    _venue = venues.get(_name)
    if "connects" in _scaled:
        _limits = structs.replace(_venue.limits, connects=tuple(_scaled["connects"]))
        _venue = structs.replace(_venue, limits=_limits)
    if "rest" in _scaled:
        _rest = structs.replace(_venue.rest_limits, weight=tuple(_scaled["rest"]))
        _venue = structs.replace(_venue, rest_limits=_rest)
    venues._VENUES[_name] = _venue

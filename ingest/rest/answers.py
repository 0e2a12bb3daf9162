"""What an answer says about the venue's limits. Pure."""

from datetime import datetime

from ingest.retry_after import retry_after_seconds
from ingest.venues.base import RestLimits

# The longest that a venue is known to ban an address (Binance: from 2 minutes to 3
# days). A header that asks for more is not taken at its word.
MAX_STAY_AWAY_S = 3 * 86_400.0
# 418 is Binance's word for an address that went on after a 429; its shortest ban.
_BANNED, _TOO_MANY = 418, 429
_SHORTEST_BAN_S = 120.0
_ASK_TO_WAIT = frozenset({_BANNED, _TOO_MANY, 503})


def stay_away_s(
    status: int, retry_after: str | None, limits: RestLimits, now: datetime
) -> float | None:
    """Return for how long nothing may be sent to that host, None if nothing was said.

    A refusal for too many requests that names no time is good for a whole window:
    after that the budget is certainly fresh.
    """
    if status not in _ASK_TO_WAIT:
        return None
    asked_s = 0.0 if retry_after is None else retry_after_seconds(retry_after, now)
    if asked_s > 0:
        return min(asked_s, MAX_STAY_AWAY_S)
    if status == _BANNED:
        return _SHORTEST_BAN_S
    return limits.weight[1] if status == _TOO_MANY else None


def used_weight(value: str | None) -> int | None:
    """Return what the venue's header says is used, None if there is none or no number."""
    if value is None or not (value.strip().isascii() and value.strip().isdigit()):
        return None
    return int(value.strip()[:12])

"""The Retry-After header. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str, now: datetime) -> float:
    """Return how long to wait, 0 if the value says nothing that can be understood.

    Source: RFC 9110, section 10.2.3: seconds, or a date.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is UTC (RFC 9110, section 5.6.7).
        wait_s = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, wait_s)

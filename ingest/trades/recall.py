"""Which trade a stream holds last, read from its newest entries. Pure."""

from collections.abc import Mapping, Sequence

from ingest.codecs import Codec


def last_trade(
    codec: Codec | None, entries: Sequence[Mapping[bytes, bytes]], field: str = "id"
) -> tuple[int | None, int | None]:
    """Return the highest number among *entries*, and its time; None where there is none.

    Not the newest entry's: markers have no number, and what came late is not the last.
    Without a *codec* the entries cannot be read. *field*: see `Backfill.field`.
    """
    last: int | None = None
    ts: int | None = None
    if codec is None:
        return None, None
    for entry in entries:
        try:
            record = codec.decode(entry)
            number = int(record[field])
        except (ValueError, KeyError, TypeError):
            continue  # a marker, another encoding's, or not ours
        if last is None or number > last:
            last, ts = number, record.get("ts")
    return last, ts if isinstance(ts, int) else None

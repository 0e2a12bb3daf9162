"""HTTP answers."""

from collections.abc import Mapping
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Response

from ingest.replay.client import Channel
from ingest.replay.library import VenueRecording
from ingest.replay.tracks import due_answer


def find_answer(
    venue: VenueRecording, channels: Mapping[str, Channel], path: str, query: str
) -> tuple[HTTPStatus, bytes]:
    """Return status and JSON body for a request that a venue got.

    *channels* are those of this venue by topic: where one request was recorded
    more than once, the position of the topic it belongs to decides.
    """
    dialect = venue.dialect
    key = dialect.rest_key(path, query)
    answers = venue.answers.get(key) if key is not None else None
    if key is not None and key in dialect.rest_made:
        return HTTPStatus.OK, dialect.rest_made[key]
    if key is None or not answers:
        return HTTPStatus.NOT_FOUND, dialect.rest_missing(key)
    prefix = dialect.rest_topic(key)
    now_ns = None if prefix is None else _position(venue, channels, prefix)
    return HTTPStatus.OK, due_answer(answers, venue.stretches, now_ns).body


def response(status: HTTPStatus, body: bytes) -> Response:
    """Build a whole HTTP response with a JSON body; the connection ends with it."""
    headers = Headers()
    headers["Content-Type"] = "application/json;charset=UTF-8"
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)


def _position(venue: VenueRecording, channels: Mapping[str, Channel], prefix: str) -> int | None:
    """Recorded time reached by the topics that begin with *prefix*.

    Before anyone subscribed, that is their beginning.
    """
    reached = [
        channel.recorded_ns
        for topic, channel in channels.items()
        if topic.startswith(prefix) and channel.recorded_ns is not None
    ]
    if reached:
        return max(reached)
    beginnings = [
        track.recorded_ns[0] for topic, track in venue.tracks.items() if topic.startswith(prefix)
    ]
    return min(beginnings, default=None)

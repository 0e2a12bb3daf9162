"""The requests of one connection: what to send when, and what became of it.

Pure: bytes and times in, bytes and times out. The connection's shell sends what
`next_request` returns, hands over the answers, and calls `expire` when
`wait_ns` has passed. Times are those of one monotonic clock, in ns.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from ingest.venues.base import Ack, Reject, Topic, Venue

_NS_PER_S = 1_000_000_000
# Requests to leave whose answers are told apart from those to subscribe.
_REMEMBERED = 64


# Topics that share the venue's name: one subscription feeds them all.
_Bundle = tuple[Topic, ...]


class _Chunk(Struct):
    """What goes into one request."""

    bundles: list[_Bundle]
    is_retry: bool = False


class _Sent(Struct):
    """A request under way, and those of its topics that have no answer yet."""

    waiting: dict[str, _Bundle]  # by the venue's name
    deadline_ns: int
    is_retry: bool
    has_refusal: bool = False  # of a topic that is no longer waiting


class Expired(Struct, frozen=True):
    """What `expire` did with requests that got no answer in time."""

    retried: tuple[Topic, ...] = ()  # queued once more
    abandoned: tuple[Topic, ...] = ()  # the second request got no answer either


class Subscriber:
    """State of every topic of one connection: queued, sent, then one of three ends.

    `active`: the venue said yes. `refused`: it said no, and why. `unanswered`:
    it said nothing, twice. Bounded by the number of topics.

    A topic that came to its end may be left and asked for anew. `lost_again`: one of
    those did not come back; it was there before, so a new connection is worth a try.
    """

    def __init__(self, venue: Venue, topics: Sequence[Topic], now_ns: int) -> None:
        """Queue what the venue wants first, then *topics*; connected at *now_ns*."""
        self._venue = venue
        self._ack_timeout_ns = round(venue.limits.ack_timeout_s * _NS_PER_S)
        self._pace_ns = round(_NS_PER_S / venue.limits.requests_per_s)
        self._may_send_ns = now_ns + round(venue.limits.first_request_after_s * _NS_PER_S)
        self._request_id = 0
        self._plain = deque(venue.opening)  # to be sent first; nobody waits for the answers
        self._queue: deque[_Chunk] = deque()
        self._sent: dict[int, _Sent] = {}  # by request id, oldest first
        self._to_leave: dict[str, list[_Bundle]] = {}  # by group
        self._leave_ids: deque[int] = deque(maxlen=_REMEMBERED)
        self._handles: dict[str, str] = {}  # by the venue's name; only where it gives any
        self._again: set[Topic] = set()  # left, and not yet back
        self._dropped: set[Topic] = set()  # left for good
        self.lost_again = False
        self.active: set[Topic] = set()
        self.refused: dict[Topic, Reject] = {}
        self.unanswered: set[Topic] = set()
        size = venue.limits.topics_per_request
        groups = _groups(venue, topics)
        self._bundles = {bundle[0].name: bundle for group in groups for bundle in group}
        for bundles in groups:
            self._queue.extend(
                _Chunk(bundles[start : start + size]) for start in range(0, len(bundles), size)
            )

    @property
    def settled(self) -> bool:
        """Whether every topic has come to its end: nothing to send, nothing awaited."""
        return not (self._plain or self._queue or self._to_leave or self._sent)

    def wait_ns(self, now_ns: int, *, sending: bool = True) -> int | None:
        """Return how long until there is something to send or to expire.

        0 means now, `None` not before an answer comes. Not *sending*: only to expire.
        """
        due = [sent.deadline_ns for sent in self._sent.values()]
        if sending and self._has_request:
            due.append(self._may_send_ns)
        return max(0, min(due) - now_ns) if due else None

    def has_request(self, now_ns: int) -> bool:
        """Whether `next_request` would return one."""
        return self._has_request and now_ns >= self._may_send_ns

    def next_request(self, now_ns: int) -> bytes | None:
        """Return the request to send now, `None` if there is none or the pacing forbids it.

        The caller sends it at once; the deadline of its answer, if it gets one, starts
        now.
        """
        if now_ns < self._may_send_ns:
            return None
        if self._plain:
            self.count_message(now_ns)
            return self._plain.popleft()
        chunk = self._next_chunk()
        if chunk is None:
            return self._leave(now_ns) if self._to_leave else None
        self._request_id += 1
        message = self._fit(chunk)
        self._sent[self._request_id] = _Sent(
            waiting={bundle[0].name: bundle for bundle in chunk.bundles},
            deadline_ns=now_ns + self._ack_timeout_ns,
            is_retry=chunk.is_retry,
        )
        self.count_message(now_ns)
        return message

    def resubscribe(self, topic: Topic) -> Sequence[Topic] | None:
        """Leave *topic*, and what shares its name, and ask for it anew.

        Several go into one request, where the venue takes so many. Returns those that
        are left; `None` if the venue has no way of leaving a single topic.
        """
        if self._venue.unsubscribe is None:
            return None
        # Data may come though the subscription was never answered.
        if topic not in self.active and topic not in self.unanswered:
            return ()  # it is being asked for already, or was refused
        bundle = self._bundles[topic.name]
        self.active.difference_update(bundle)
        self.unanswered.difference_update(bundle)
        self._again.update(bundle)
        self._to_leave.setdefault(self._venue.request_group(topic), []).append(bundle)
        return bundle

    def drop(self, topics: Sequence[Topic]) -> None:
        """Leave *topics* for good, but for those that share their name with others.

        What is under way is left once the venue has answered. Where it has no way of
        leaving a single topic, it goes on sending.
        """
        self._dropped.update(topics)
        self._again.difference_update(topics)
        for name in dict.fromkeys(topic.name for topic in topics):
            bundle = self._bundles.get(name, ())
            if self._is_dropped(bundle) and not self._subscribed.isdisjoint(bundle):
                self._leave_for_good(bundle)

    def count_message(self, now_ns: int) -> None:
        """Make room in the pacing for a message that went out now, such as a heartbeat."""
        self._may_send_ns = max(self._may_send_ns, now_ns) + self._pace_ns

    def on_ack(self, ack: Ack) -> list[Topic]:
        """Take an acceptance in; return the topics that became active by it.

        One that names topics is for those, else it is for the whole request.
        Answers that fit nothing under way (repeated, or too late) are passed over.
        """
        if ack.handle:
            self._handles.update(dict.fromkeys(ack.topics, ack.handle))
        if ack.request_id in self._leave_ids:
            return []
        if ack.topics:
            accepted = self._take_named(ack.topics)
        else:
            accepted = self._take_request(ack.request_id)
        for bundle in accepted:
            if self._is_dropped(bundle):
                self._leave_for_good(bundle)
        topics = _flat([bundle for bundle in accepted if not self._is_dropped(bundle)])
        self.active.update(topics)
        self._again.difference_update(topics)
        return topics

    def on_reject(self, reject: Reject) -> list[Topic]:
        """Take a refusal in; return the topics that are refused for good by it.

        One that names topics is for those, else for a whole request: by its id,
        or, as venues answer in order, the oldest one under way. Such a request
        may owe it to a single bad topic: its halves are tried on their own.
        """
        if reject.request_id in self._leave_ids:
            return []  # what it says of the topic, the request to subscribe will tell
        refused = self._take_named(reject.topics, refused=True)
        if not reject.topics:
            refused = self._take_request(
                next(iter(self._sent), None) if reject.request_id is None else reject.request_id
            )
            if len(refused) > 1:
                middle = len(refused) // 2
                self._queue.extendleft([_Chunk(refused[middle:]), _Chunk(refused[:middle])])
                return []
        topics = _flat(refused)
        self.refused.update((topic, reject) for topic in topics)
        self._miss(topics)
        return topics

    def expire(self, now_ns: int) -> Expired:
        """Handle what is overdue: ask a second time, after that give up."""
        retried: list[_Bundle] = []
        abandoned: list[_Bundle] = []
        for request_id, sent in list(self._sent.items()):
            if now_ns < sent.deadline_ns:
                continue
            del self._sent[request_id]
            bundles = list(sent.waiting.values())
            # Where one topic was refused, the venue may have left the rest of
            # the request aside: without that topic they have a first try again.
            if sent.is_retry and not sent.has_refusal:
                abandoned += bundles
            else:
                retried += bundles
                self._queue.append(_Chunk(bundles, is_retry=not sent.has_refusal))
        self.unanswered.update(_flat(abandoned))
        self._miss(_flat(abandoned))
        return Expired(tuple(_flat(retried)), tuple(_flat(abandoned)))

    @property
    def _has_request(self) -> bool:
        return bool(self._plain or self._queue or self._to_leave)

    @property
    def _subscribed(self) -> set[Topic]:
        return self.active | self.unanswered

    def _is_dropped(self, bundle: _Bundle) -> bool:
        return self._dropped.issuperset(bundle)

    def _leave_for_good(self, bundle: _Bundle) -> None:
        self.active.difference_update(bundle)
        self.unanswered.difference_update(bundle)
        if self._venue.unsubscribe is not None:
            self._to_leave.setdefault(self._venue.request_group(bundle[0]), []).append(bundle)

    def _next_chunk(self) -> _Chunk | None:
        """Return what to ask for next, without what is not wanted any more."""
        while self._queue:
            chunk = self._queue.popleft()
            chunk.bundles = [bundle for bundle in chunk.bundles if not self._is_dropped(bundle)]
            if chunk.bundles:
                return chunk
        return None

    def _leave(self, now_ns: int) -> bytes:
        """Build a request to leave some topics, and queue the one that asks for them anew."""
        assert self._venue.unsubscribe is not None
        group, bundles = next(iter(self._to_leave.items()))
        self._request_id += 1
        self._leave_ids.append(self._request_id)
        known = [self._with_handle(bundle) for bundle in bundles]
        fitting = self._fitting(self._venue.unsubscribe, known)
        self._queue.append(_Chunk(bundles[:fitting]))
        del bundles[:fitting]
        if not bundles:
            del self._to_leave[group]
        self.count_message(now_ns)
        return self._venue.unsubscribe(_flat(known[:fitting]), self._request_id)

    def _with_handle(self, bundle: _Bundle) -> _Bundle:
        handle = self._handles.get(bundle[0].name)
        if handle is None:
            return bundle
        return tuple(structs.replace(topic, handle=handle) for topic in bundle)

    def _miss(self, topics: Sequence[Topic]) -> None:
        if not self._again.isdisjoint(topics):
            self._again.difference_update(topics)
            self.lost_again = True

    def _fit(self, chunk: _Chunk) -> bytes:
        """Build the chunk's request; what does not fit in its bytes goes back to the queue."""
        fitting = self._fitting(self._venue.subscribe, chunk.bundles)
        if fitting < len(chunk.bundles):
            self._queue.appendleft(_Chunk(chunk.bundles[fitting:], chunk.is_retry))
            del chunk.bundles[fitting:]
        return self._venue.subscribe(_flat(chunk.bundles), self._request_id)

    def _fitting(
        self, build: Callable[[Sequence[Topic], int], bytes], bundles: Sequence[_Bundle]
    ) -> int:
        """Return how many of *bundles* the venue takes in one request."""
        limits = self._venue.limits
        counts = range(1, min(len(bundles), limits.topics_per_request) + 1)
        # A topic that is too long on its own goes out all the same: the venue
        # is to say what it thinks of it.
        return max(
            1,
            bisect_right(
                counts,
                limits.request_bytes,
                key=lambda count: len(build(_flat(bundles[:count]), self._request_id)),
            ),
        )

    def _take_request(self, request_id: int | None) -> list[_Bundle]:
        sent = self._sent.pop(request_id, None) if request_id is not None else None
        return list(sent.waiting.values()) if sent else []

    def _take_named(self, names: Sequence[str], *, refused: bool = False) -> list[_Bundle]:
        taken = []
        for name in names:
            for request_id, sent in self._sent.items():
                bundle = sent.waiting.pop(name, None)
                if bundle is not None:
                    taken.append(bundle)
                    sent.has_refusal |= refused
                    if not sent.waiting:
                        del self._sent[request_id]
                    break
        return taken


def _flat(bundles: Sequence[_Bundle]) -> list[Topic]:
    return [topic for bundle in bundles for topic in bundle]


def _groups(venue: Venue, topics: Sequence[Topic]) -> list[list[_Bundle]]:
    """Sort topics by the requests they may go into; each once, those of one name together."""
    groups: dict[str, dict[str, dict[Topic, None]]] = {}
    for topic in topics:
        by_name = groups.setdefault(venue.request_group(topic), {})
        by_name.setdefault(topic.name, {})[topic] = None
    return [[tuple(same) for same in by_name.values()] for by_name in groups.values()]

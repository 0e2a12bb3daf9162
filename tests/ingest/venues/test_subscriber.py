import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import venues
from ingest.venues.base import Ack, Limits, Reject, Topic, Venue
from ingest.venues.subscriber import Expired, Subscriber

S = 1_000_000_000
START = 5 * S


def venue(**changes: object) -> Venue:
    """Binance with limits that make small cases telling."""
    limits = {
        "topics_per_connection": 100,
        "topics_per_request": 4,
        "request_bytes": 4096,
        "requests_per_s": 2.0,
        "connects": (1, 1.0),
        "ack_timeout_s": 10.0,
    }
    return msgspec.structs.replace(venues.get("binance"), limits=Limits(**(limits | changes)))


def topics(count: int) -> list[Topic]:
    return [venues.get("binance").topic("trade", f"C{number}-USDT") for number in range(count)]


def asked(message: bytes | None) -> list[str]:
    assert message is not None
    names: list[str] = json.loads(message)["params"]
    return names


def names(some: Sequence[Topic]) -> list[str]:
    return [topic.name for topic in some]


def test_chunks_by_count() -> None:
    """No request has more topics than the venue takes; together they have each once."""
    all_topics = topics(10)
    subscriber = Subscriber(venue(), [*all_topics, all_topics[0]], START)

    requests = [asked(subscriber.next_request(START + second * S)) for second in range(3)]

    assert [len(request) for request in requests] == [4, 4, 2]
    assert [name for request in requests for name in request] == names(all_topics)
    assert subscriber.next_request(START + 3 * S) is None


def test_one_name_for_several_channels() -> None:
    """One subscription that feeds several of our channels is one in the counts, and ends all."""
    several = [
        Topic(channel=channel, instrument="C-USDT", name=name)
        for channel, name in [("ticker", "t"), ("trade", "x"), ("mark", "t"), ("book", "y")]
    ]
    subscriber = Subscriber(venue(topics_per_request=2), several, START)

    assert asked(subscriber.next_request(START)) == ["t", "x"]
    assert asked(subscriber.next_request(START + S)) == ["y"]
    assert subscriber.on_ack(Ack(topics=("t",))) == [several[0], several[2]]
    refusal = Reject("no", request_id=1)
    assert subscriber.on_reject(refusal) == [several[1]]
    expired = subscriber.expire(START + 100 * S)
    assert expired == Expired(retried=(several[3],))
    assert subscriber.active == {several[0], several[2]}


def test_a_request_for_each_group() -> None:
    """Where the venue's requests are for one channel, no request mixes them."""
    by_channel = msgspec.structs.replace(venue(), request_group=lambda topic: topic.channel)
    mixed = [
        Topic(channel=channel, instrument=f"C{number}-USDT", name=f"{channel}{number}")
        for number in range(5)
        for channel in ("trade", "bbo")
    ]
    subscriber = Subscriber(by_channel, mixed, START)

    requests = [asked(subscriber.next_request(START + second * S)) for second in range(4)]

    assert [len(request) for request in requests] == [4, 1, 4, 1]
    assert [len({name[:-1] for name in request}) for request in requests] == [1, 1, 1, 1]


def test_topic_too_long_for_a_request() -> None:
    """It goes out alone, for the venue to judge, and holds up no other."""
    subscriber = Subscriber(venue(request_bytes=10), topics(2), START)

    assert asked(subscriber.next_request(START)) == names(topics(2)[:1])
    assert asked(subscriber.next_request(START + S)) == names(topics(2)[1:])


def test_chunks_by_bytes() -> None:
    """No request is longer than the venue takes; what does not fit comes in the next."""
    all_topics = topics(9)
    limit = len(venue().subscribe(all_topics[:3], 1))
    subscriber = Subscriber(venue(topics_per_request=9, request_bytes=limit), all_topics, START)
    requests = [subscriber.next_request(START + second * S) for second in range(3)]

    assert subscriber.next_request(START + 3 * S) is None
    assert all(len(request or b"") <= limit for request in requests)
    assert [name for request in requests for name in asked(request)] == names(all_topics)


def test_pacing() -> None:
    """Requests keep their distance, and other messages count as well."""
    subscriber = Subscriber(venue(), topics(12), START)

    assert subscriber.wait_ns(START - 3) == 3
    assert subscriber.next_request(START - 1) is None
    assert subscriber.next_request(START) is not None
    assert subscriber.wait_ns(START) == S // 2
    assert subscriber.next_request(START + S // 2 - 1) is None

    subscriber.count_message(START + S // 4)  # a heartbeat
    assert subscriber.next_request(START + S - 1) is None
    assert subscriber.next_request(START + S) is not None


def test_a_venue_that_wants_to_be_left_alone_at_first() -> None:
    """The first request waits; expiring does not."""
    subscriber = Subscriber(venue(first_request_after_s=1.5), topics(1), START)

    assert not subscriber.has_request(START + S)
    assert subscriber.next_request(START + S) is None
    assert subscriber.wait_ns(START + S) == S // 2
    assert subscriber.wait_ns(START + S, sending=False) is None
    assert subscriber.has_request(START + 2 * S)
    assert subscriber.next_request(START + 2 * S) is not None


def test_ack_by_request_id() -> None:
    """An accepted request makes all its topics active; then nothing is left to do."""
    subscriber = Subscriber(venue(), topics(6), START)
    subscriber.next_request(START)
    subscriber.next_request(START + S)

    assert subscriber.on_ack(Ack(request_id=2)) == topics(6)[4:]
    assert not subscriber.settled
    assert subscriber.on_ack(Ack(request_id=1)) == topics(6)[:4]
    assert subscriber.settled
    assert subscriber.active == set(topics(6))
    assert subscriber.wait_ns(START) is None


def test_ack_by_topic() -> None:
    """Where a venue answers per topic, each becomes active by its own answer."""
    subscriber = Subscriber(venue(), topics(2), START)
    subscriber.next_request(START)
    first, second = topics(2)

    assert subscriber.on_ack(Ack(topics=(second.name,))) == [second]
    assert not subscriber.settled
    assert subscriber.on_ack(Ack(topics=(first.name,))) == [first]
    assert subscriber.settled


@pytest.mark.parametrize(
    "ack", [Ack(request_id=9), Ack(), Ack(topics=("no@such",)), Ack(request_id=1)]
)
def test_answers_to_nothing(ack: Ack) -> None:
    """Answers that fit no request under way change nothing."""
    subscriber = Subscriber(venue(), topics(1), START)
    subscriber.next_request(START)
    subscriber.on_ack(Ack(request_id=1))

    assert subscriber.on_ack(ack) == []
    assert subscriber.on_reject(Reject("no")) == []
    assert subscriber.active == set(topics(1))
    assert subscriber.settled


def test_reject_of_named_topics() -> None:
    """A refusal that names a topic costs that topic only."""
    subscriber = Subscriber(venue(), topics(3), START)
    subscriber.next_request(START)
    bad = topics(3)[1]
    reject = Reject("doesn't exist", request_id=1, topics=(bad.name,))

    assert subscriber.on_reject(reject) == [bad]
    assert subscriber.refused == {bad: reject}
    assert subscriber.on_ack(Ack(request_id=1)) == [topics(3)[0], topics(3)[2]]
    assert subscriber.settled


@pytest.mark.parametrize("has_id", [True, False])
@pytest.mark.parametrize("bad_at", range(4))
def test_halving_isolates_the_bad_topic(bad_at: int, has_id: bool) -> None:
    """A refusal of a whole request ends with the one bad topic refused, the rest active."""
    all_topics = topics(4)
    bad = all_topics[bad_at]
    subscriber = Subscriber(venue(), all_topics, START)
    now = START
    request_id = 0
    while not subscriber.settled:
        request = asked(subscriber.next_request(now))
        request_id += 1
        now += S
        if bad.name in request:
            subscriber.on_reject(Reject("no", request_id=request_id if has_id else None))
        else:
            subscriber.on_ack(Ack(request_id=request_id))

    assert set(subscriber.refused) == {bad}
    assert subscriber.active == set(all_topics) - {bad}
    assert request_id == 5  # 4 topics, 2 halves, 2 quarters


def test_reject_without_id_is_for_the_oldest() -> None:
    """Venues answer in order: a refusal that says nothing is for the first one waiting."""
    subscriber = Subscriber(venue(topics_per_request=1), topics(2), START)
    subscriber.next_request(START)
    subscriber.next_request(START + S)

    assert subscriber.on_reject(Reject("no")) == topics(2)[:1]


def test_overdue_is_asked_again_then_reported() -> None:
    """Without an answer topics are asked for once more; after that they are given up."""
    subscriber = Subscriber(venue(), topics(2), START)
    subscriber.next_request(START)

    assert subscriber.wait_ns(START + 4 * S) == 6 * S
    assert subscriber.expire(START + 10 * S - 1) == Expired()
    assert subscriber.expire(START + 10 * S) == Expired(retried=tuple(topics(2)))
    assert asked(subscriber.next_request(START + 11 * S)) == names(topics(2))
    assert subscriber.expire(START + 21 * S) == Expired(abandoned=tuple(topics(2)))
    assert subscriber.unanswered == set(topics(2))
    assert subscriber.settled


def test_second_try_may_succeed() -> None:
    """An answer to the second request counts as one to the first."""
    subscriber = Subscriber(venue(), topics(2), START)
    subscriber.next_request(START)
    subscriber.expire(START + 10 * S)
    subscriber.next_request(START + 10 * S)

    assert subscriber.on_ack(Ack(request_id=1)) == []  # was given up
    assert subscriber.on_ack(Ack(request_id=2)) == topics(2)
    assert subscriber.settled


def test_silence_after_a_refusal_is_no_try() -> None:
    """A venue that stops at each bad topic gets the rest again until none is bad."""
    all_topics = topics(4)
    subscriber = Subscriber(venue(), all_topics, START)
    now = START
    for bad in all_topics[:3]:
        subscriber.next_request(now)
        subscriber.on_reject(Reject("no", topics=(bad.name,)))
        now += 10 * S
        assert subscriber.expire(now).abandoned == ()
    subscriber.next_request(now)
    subscriber.on_ack(Ack(topics=(all_topics[3].name,)))

    assert subscriber.settled
    assert set(subscriber.refused) == set(all_topics[:3])
    assert subscriber.active == {all_topics[3]}


def test_refusal_in_the_second_try() -> None:
    """A refusal shows that the venue listens: the rest is not given up yet."""
    first, second = topics(2)
    subscriber = Subscriber(venue(), [first, second], START)
    subscriber.next_request(START)
    subscriber.expire(START + 10 * S)
    subscriber.next_request(START + 10 * S)
    subscriber.on_reject(Reject("no", topics=(first.name,)))

    assert subscriber.expire(START + 20 * S) == Expired(retried=(second,))


def test_no_topics() -> None:
    """Nothing to ask for is settled from the start."""
    subscriber = Subscriber(venue(), [], START)

    assert subscriber.settled
    assert subscriber.wait_ns(START) is None
    assert subscriber.next_request(START) is None


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_every_topic_comes_to_one_end(data: st.DataObject) -> None:
    """Whatever a venue answers, or not, every topic ends once, in bounded time."""
    all_topics = topics(data.draw(st.integers(0, 12)))
    subscriber = Subscriber(venue(), all_topics, START)
    now = START
    sent = 0
    while not subscriber.settled:
        wait = subscriber.wait_ns(now)
        assert wait is not None
        now += wait
        if subscriber.next_request(now) is not None:
            sent += 1
        subscriber.expire(now)
        request_id = data.draw(st.none() | st.integers(1, max(1, sent)))
        some = tuple(data.draw(st.lists(st.sampled_from(names(all_topics)), max_size=2)))
        answer = data.draw(st.sampled_from(["silence", "ack", "reject"]))
        if answer == "ack":
            subscriber.on_ack(Ack(request_id, some))
        elif answer == "reject":
            subscriber.on_reject(Reject("no", "", request_id, some))
        assert sent < 100

    ends = [*subscriber.active, *subscriber.refused, *subscriber.unanswered]
    assert sorted(names(ends)) == sorted(names(all_topics))


def test_a_topic_is_left_and_asked_for_anew() -> None:
    """In this order, at the venue's pace, and only if it was there."""
    leaving = msgspec.structs.replace(
        venue(), unsubscribe=lambda some, number: f"leave {names(some)} {number}".encode()
    )
    (topic,) = topics(1)
    subscriber = Subscriber(leaving, [topic], START)
    assert asked(subscriber.next_request(START)) == ["c0usdt@trade"]
    assert subscriber.resubscribe(topic) == ()  # it is being asked for
    assert subscriber.wait_ns(START) == 10 * S
    subscriber.on_ack(Ack(1))

    assert subscriber.resubscribe(topic) == (topic,)
    assert subscriber.next_request(START + S) == b"leave ['c0usdt@trade'] 2"
    assert subscriber.next_request(START + S) is None
    assert asked(subscriber.next_request(START + 2 * S)) == ["c0usdt@trade"]
    assert not subscriber.settled
    assert subscriber.on_ack(Ack(3)) == [topic]
    assert subscriber.settled


def anew(count: int, **limits: object) -> tuple[Subscriber, list[Topic]]:
    """A subscriber whose topics are all active; two requests went out."""
    some = topics(count)
    subscriber = Subscriber(venue(requests_per_s=1e12, **limits), some, START)
    while subscriber.next_request(START + S) is not None:
        pass
    subscriber.on_ack(Ack(topics=tuple(names(some))))
    assert subscriber.active == set(some)
    return subscriber, some


def requests(subscriber: Subscriber) -> list[tuple[str, list[str]]]:
    """What is to be sent now: method and topics."""
    sent = iter(lambda: subscriber.next_request(START + 2 * S), None)
    return [(json.loads(one)["method"], asked(one)) for one in sent]


def test_several_topics_are_left_together() -> None:
    """As many as a request may hold; they are asked for anew before more are left."""
    subscriber, some = anew(6)
    for topic in some:
        assert subscriber.resubscribe(topic) == (topic,)
        assert subscriber.resubscribe(topic) == ()  # already

    expected = [
        (method, names(part))
        for part in (some[:4], some[4:])
        for method in ("UNSUBSCRIBE", "SUBSCRIBE")
    ]
    assert requests(subscriber) == expected


def test_answers_to_leaving_are_none_to_coming_back() -> None:
    """Whatever they name: they have the number of the request to leave."""
    subscriber, (topic,) = anew(1)
    subscriber.resubscribe(topic)
    assert len(requests(subscriber)) == 2

    assert subscriber.on_ack(Ack(2, (topic.name,))) == []
    assert subscriber.on_reject(Reject("no", request_id=2, topics=(topic.name,))) == []
    assert not subscriber.refused
    assert subscriber.on_ack(Ack(3, (topic.name,))) == [topic]


def test_the_venue_s_own_name_of_a_subscription() -> None:
    """The one it was given last."""
    told: list[list[str]] = []

    def leave(some: Sequence[Topic], number: int) -> bytes:
        told.append([topic.handle for topic in some])
        return b"{}"

    (topic,) = topics(1)
    leaving = msgspec.structs.replace(venue(requests_per_s=1e12), unsubscribe=leave)
    subscriber = Subscriber(leaving, [topic], START)
    for handle in ("7", "8"):
        while subscriber.next_request(START + S) is not None:
            pass
        assert subscriber.on_ack(Ack(topics=(topic.name,), handle=handle)) == [topic]
        subscriber.resubscribe(topic)
    while subscriber.next_request(START + S) is not None:
        pass
    assert told[-1] == ["8"]
    assert ["7"] in told


def test_a_topic_that_does_not_come_back() -> None:
    """Refused, or not answered twice; a topic that never was there is another matter."""
    subscriber, (topic,) = anew(1)
    subscriber.resubscribe(topic)
    requests(subscriber)
    subscriber.on_reject(Reject("no", topics=(topic.name,)))
    assert subscriber.lost_again

    subscriber, (topic,) = anew(1)
    subscriber.resubscribe(topic)
    requests(subscriber)
    assert not subscriber.expire(START + 20 * S).abandoned
    assert not subscriber.lost_again
    subscriber.next_request(START + 30 * S)
    assert subscriber.expire(START + 60 * S).abandoned == (topic,)
    assert subscriber.lost_again

    subscriber = Subscriber(venue(), [topic], START)
    subscriber.next_request(START)
    subscriber.on_reject(Reject("no", topics=(topic.name,)))
    assert not subscriber.lost_again


def test_a_topic_that_was_never_answered_may_be_left() -> None:
    """Its data may come all the same."""
    (topic,) = topics(1)
    subscriber = Subscriber(venue(requests_per_s=1e12), [topic], START)
    for later in (0, 20, 40):
        subscriber.next_request(START + later * S)
        subscriber.expire(START + (later + 15) * S)
    assert subscriber.unanswered == {topic}
    assert subscriber.resubscribe(topic) == (topic,)
    assert not subscriber.unanswered


def test_a_venue_where_a_topic_cannot_be_left() -> None:
    (topic,) = topics(1)
    subscriber = Subscriber(msgspec.structs.replace(venue(), unsubscribe=None), [topic], START)
    assert subscriber.resubscribe(topic) is None


def test_the_opening_comes_first() -> None:
    opened = msgspec.structs.replace(venue(), opening=(b"one", b"two"))
    subscriber = Subscriber(opened, topics(1), START)
    sent = [subscriber.next_request(START + n * S) for n in range(3)]
    assert sent[:2] == [b"one", b"two"]
    assert asked(sent[2]) == ["c0usdt@trade"]


def test_topics_are_left_for_good() -> None:
    """Those that are subscribed at once, the others when the venue has answered."""
    all_topics = topics(7)
    subscriber = Subscriber(venue(), all_topics, START)
    first = asked(subscriber.next_request(START))
    subscriber.on_ack(Ack(topics=tuple(first[:2])))
    subscriber.drop([all_topics[n] for n in (0, 2, 4)])  # active; asked for; not yet asked for
    assert subscriber.active == {all_topics[1]}
    assert not subscriber.settled

    assert asked(subscriber.next_request(START + S)) == names([all_topics[5], all_topics[6]])
    message = subscriber.next_request(START + 2 * S)
    assert message is not None
    assert json.loads(message)["method"] == "UNSUBSCRIBE"
    assert asked(message) == names([all_topics[0]])
    assert subscriber.on_ack(Ack(topics=tuple(first[2:]))) == [all_topics[3]]
    assert asked(subscriber.next_request(START + 3 * S)) == names([all_topics[2]])
    subscriber.on_ack(Ack(request_id=2))
    assert subscriber.next_request(START + 4 * S) is None
    assert subscriber.settled
    assert subscriber.active == {all_topics[n] for n in (1, 3, 5, 6)}


def test_one_that_was_about_to_come_back_is_left() -> None:
    """It had been left to be asked for anew, and is not asked for any more."""
    [topic, other] = topics(2)
    subscriber = Subscriber(venue(), [topic, other], START)
    subscriber.next_request(START)
    subscriber.on_ack(Ack(request_id=1))
    subscriber.resubscribe(topic)
    subscriber.drop([topic])
    assert asked(subscriber.next_request(START + S)) == [topic.name]
    assert subscriber.next_request(START + 2 * S) is None
    assert subscriber.settled
    assert not subscriber.lost_again


def test_a_name_that_others_share_is_not_left() -> None:
    """One subscription feeds several of our channels: it goes with the last of them."""
    ticker, mark = (Topic(channel=c, instrument="C-USDT", name="t") for c in ("ticker", "mark"))
    subscriber = Subscriber(venue(), [ticker, mark], START)
    subscriber.next_request(START)
    subscriber.on_ack(Ack(request_id=1))
    subscriber.drop([ticker])
    assert subscriber.next_request(START + S) is None
    subscriber.drop([mark])
    assert asked(subscriber.next_request(START + S)) == ["t"]


def test_left_for_good_where_the_venue_has_no_way() -> None:
    """Nothing is sent; what comes is for others to pass over."""
    [topic] = topics(1)
    subscriber = Subscriber(msgspec.structs.replace(venue(), unsubscribe=None), [topic], START)
    subscriber.next_request(START)
    subscriber.on_ack(Ack(request_id=1))
    subscriber.drop([topic])
    assert subscriber.settled

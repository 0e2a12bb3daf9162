"""The unanswered PINGs."""

from wscore.ping_log import PingLog


def test_an_answer_is_for_all_before_it() -> None:
    log: PingLog[str] = PingLog()
    for at, name in enumerate("abc"):
        assert log.sent(name.encode(), float(at), name) is None
    assert log.answered(b"b", 10.0) == [("a", 10.0), ("b", 9.0)]
    assert log.answered(b"b", 11.0) == [], "it was answered"
    assert log.give_up() == ["c"]
    assert log.give_up() == []


def test_equal_payloads_are_answered_in_their_order() -> None:
    log: PingLog[int] = PingLog()
    for number in range(2):
        log.sent(b"same", float(number), number)
    assert log.answered(b"same", 5.0) == [(0, 5.0)]
    assert log.answered(b"same", 5.0) == [(1, 4.0)]


def test_a_peer_that_never_answers_costs_bounded_memory() -> None:
    log: PingLog[int] = PingLog()
    given_up = [log.sent(log.next_payload(), 0.0, number) for number in range(1030)]
    assert given_up[1024:] == [0, 1, 2, 3, 4, 5]
    assert given_up[:1024] == [None] * 1024
    assert len(log.give_up()) == 1024

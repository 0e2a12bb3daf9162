"""Taking batches apart."""

from wscore.connection import Batch


def mixed() -> Batch:
    return Batch([b"0", b"1", b"2", b"3", b"4"], 0, bytes([1, 2, 16, 1, 1]), [(2, 70), (5, 90)])


def content(batch: Batch) -> tuple[list[bytes], list[int], list[tuple[int, int]]]:
    kinds = [batch.kind_of(i) for i in range(len(batch.messages))]
    return batch.messages, kinds, batch.reads


def test_without_some_messages() -> None:
    assert content(mixed().without([2])) == (
        [b"0", b"1", b"3", b"4"],
        [1, 2, 1, 1],
        [(2, 70), (4, 90)],
    )
    assert content(mixed().without([0, 1])) == ([b"2", b"3", b"4"], [16, 1, 1], [(3, 90)])
    assert content(mixed().without([2, 3, 4])) == ([b"0", b"1"], [1, 2], [(2, 70)])
    assert content(mixed().without([0, 1, 2, 3, 4])) == ([], [], [])


def test_a_part() -> None:
    assert content(mixed().part(1, 4)) == ([b"1", b"2", b"3"], [2, 16, 1], [(1, 70), (3, 90)])
    assert content(mixed().part(3, 5)) == ([b"3", b"4"], [1, 1], [(2, 90)])
    assert content(mixed().part(0, 2)) == ([b"0", b"1"], [1, 2], [(2, 70)])
    assert content(mixed().part(2, 2)) == ([], [], [])


def test_the_common_kind_is_found_again() -> None:
    assert mixed().kind == 0
    assert mixed().part(3, 5).kind == 1
    assert mixed().without([1, 2]).kind == 1
    uniform = Batch([b"a", b"b"], 2, b"", [(2, 5)])
    assert content(uniform.part(1, 2)) == ([b"b"], [2], [(1, 5)])
    assert content(uniform.without([0])) == ([b"b"], [2], [(1, 5)])

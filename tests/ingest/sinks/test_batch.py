"""What a batch looks like on the wire, parsed back by hiredis as a server would."""

import hiredis
import pytest

from ingest.sinks.batch import build_batch
from ingest.sinks.buffer import Entry, StreamWriter
from ingest.sinks.resp import bulk

MS = 1_000_000


def stream(key: str = "md:x:y", maxlen: int | None = None) -> StreamWriter:
    return StreamWriter(key, maxlen, lambda entry: True)


def entry(writer: StreamWriter, rx_ns: int, *words: bytes) -> Entry:
    return writer, rx_ns, len(words), b"".join(map(bulk, words))


def commands(data: bytes) -> list[list[bytes]]:
    reader = hiredis.Reader()
    reader.feed(data)
    found = []
    while (one := reader.gets()) is not False:
        found.append(one)
    assert not reader.has_data()
    return found


def no_exhaustion(entry: Entry) -> None:
    raise AssertionError(entry)


def test_a_batch_is_one_transaction() -> None:
    """MULTI, an XADD per entry with its own id, the last of a stream with its trim, EXEC."""
    a, b = stream("a", 500), stream("b")
    batch = build_batch(
        [
            entry(a, 1_700_000_000_123 * MS, b"f", b"1"),
            entry(b, 1_700_000_000_123 * MS, b"f", "ü\r\n".encode(), b"g", b""),
            entry(a, 1_700_000_000_123 * MS, b"f", b"2"),
            entry(a, 7 * MS, b"f", b"3"),
        ],
        no_exhaustion,
    )
    assert commands(batch.packed()) == [
        [b"MULTI"],
        [b"XADD", b"a", b"1700000000123-0", b"f", b"1"],
        [b"XADD", b"b", b"1700000000123-0", b"f", "ü\r\n".encode(), b"g", b""],
        [b"XADD", b"a", b"1700000000123-1", b"f", b"2"],
        [b"XADD", b"a", b"MAXLEN", b"~", b"500", b"1700000000123-2", b"f", b"3"],
        [b"EXEC"],
    ]
    assert not batch.uncertain


@pytest.mark.parametrize("n", [0, 8, 9, 10, 11, 99, 100, 2**64 - 2])
def test_ids_of_any_length(n: int) -> None:
    """The id's announced length is right for every number of digits."""
    writer = stream()
    writer.ids.raise_to((5, n))
    batch = build_batch([entry(writer, 1, b"f", b"1")], no_exhaustion)
    assert commands(batch.packed())[1][2] == b"5-%d" % (n + 1)


def test_some_entries_taken_out() -> None:
    """The others keep their ids, their order, and the doubt about them."""
    writer = stream()
    batch = build_batch([entry(writer, 5 * MS, b"f", b"%d" % i) for i in range(5)], no_exhaustion)
    batch.uncertain = True
    rest = batch.without([0, 3])
    assert [c[2:] for c in commands(rest.packed())[1:-1]] == [
        [b"5-1", b"f", b"1"],
        [b"5-2", b"f", b"2"],
        [b"5-4", b"f", b"4"],
    ]
    assert rest.uncertain
    assert len(rest.entries) == len(rest.ids) == 3


def test_entries_without_an_id_are_handed_back() -> None:
    """The rest of the batch is not affected."""
    full, fine = stream("full"), stream("fine")
    full.ids.raise_to((2**64 - 1, 2**64 - 1))
    left: list[Entry] = []
    batch = build_batch([entry(full, 1, b"f", b"1"), entry(fine, 1, b"f", b"1")], left.append)
    assert [e[0] for e in left] == [full]
    assert [e[0] for e in batch.entries] == [fine]

"""Reports in the file's order, and what to use instead."""

import pytest

from ingest.config.problems import Problems, choose, one_of


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("trades", "did you mean trade? Use trade, candle_1m or candle_1M"),
        ("candle_1n", "did you mean candle_1m? Use trade, candle_1m or candle_1M"),
        ("CANDLE_1M", "did you mean candle_1m? Use trade, candle_1m or candle_1M"),
        ("xyz", "use trade, candle_1m or candle_1M"),
    ],
)
def test_choose(word: str, advice: str) -> None:
    """The nearest comes first; capitals do not keep a name from being found."""
    assert choose(word, ["trade", "candle_1m", "candle_1M"]) == advice


def test_one_of() -> None:
    """As English joins them."""
    assert [one_of(n) for n in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]


def test_the_order_is_the_file_s() -> None:
    """What concerns the whole file comes first; the same mistake is reported once."""
    problems = Problems("f")
    problems.add(7, "b")
    problems.add(2, "a")
    problems.add(7, "b")
    problems.add(None, "c")

    assert problems.lines() == ["f: c", "f:2: a", "f:7: b"]
    assert len(problems) == 3

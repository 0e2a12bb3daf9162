"""What is in use is freed by whoever leaves last."""

import pytest

from wscore.sync.in_use import InUse


def test_what_nobody_uses_is_freed_at_once() -> None:
    freed: list[str] = []
    InUse(lambda: freed.append("freed")).doom()
    assert freed == ["freed"]


def test_what_somebody_uses_is_freed_when_the_last_one_leaves() -> None:
    """A call on top of another, as a signal handler makes, does not free it either."""
    freed: list[str] = []
    in_use = InUse(lambda: freed.append("freed"))
    with in_use:
        with in_use:
            in_use.doom()
            assert in_use.doomed
        assert not freed
    assert freed == ["freed"]


def test_an_error_leaves_too() -> None:
    freed: list[str] = []
    in_use = InUse(lambda: freed.append("freed"))
    with pytest.raises(ZeroDivisionError), in_use:
        in_use.doom()
        raise ZeroDivisionError
    assert freed == ["freed"]


def test_what_is_not_doomed_stays() -> None:
    freed: list[str] = []
    in_use = InUse(lambda: freed.append("freed"))
    with in_use:
        pass
    assert not freed

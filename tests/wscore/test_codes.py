"""The numbers with names."""

import pytest

from wscore import CurlECode, CurlWsFlag, WsCloseCode


@pytest.mark.parametrize("member", [CurlWsFlag.BINARY, WsCloseCode.OK, CurlECode.AGAIN])
def test_a_name_is_nothing_but_its_number(member: int) -> None:
    """A flag that can be iterated is taken for a collection, by `pytest.approx` for one."""
    assert member == int(member)
    assert not hasattr(member, "__iter__")


def test_flags_combine_to_a_number() -> None:
    both = CurlWsFlag.TEXT | CurlWsFlag.CONT
    assert type(both) is int
    assert both == 5
    assert both & CurlWsFlag.CONT

"""Places for connections."""

import pytest

from wscore import CurlECode, RequestException
from wscore.pool import Pool


def test_only_so_many_at_a_time() -> None:
    pool = Pool(2)
    pool.take()
    assert not pool.empty()
    pool.take()
    assert pool.empty()
    with pytest.raises(RequestException, match="all 2 connections") as caught:
        pool.take()
    assert caught.value.code == CurlECode.FAILED_INIT
    pool.put_back()
    pool.take()

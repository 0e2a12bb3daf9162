"""Tests that take minutes run only when they are asked for, and say so otherwise."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "long" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="takes minutes; to run it: scripts/test -m long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)

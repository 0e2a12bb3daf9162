"""Tests that take minutes run only when they are asked for, and say so otherwise."""

import signal

import pytest

LONG_TIMEOUT_S = 3600  # in place of pyproject.toml's


# A shell ignores it for what it starts in the background, and Python then leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = "long" in config.getoption("markexpr")
    skip = pytest.mark.skip(reason="takes minutes; to run it: scripts/test -m long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT_S) if asked else skip)
        elif item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT_S))

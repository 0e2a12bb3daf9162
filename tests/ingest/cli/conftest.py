"""Commands run in the tests' own process, where logging is everybody's."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def silent_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that configures logging must not do so for the tests that follow."""

    def configure(*_: object) -> None:
        silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
        structlog.configure(wrapper_class=silent, cache_logger_on_first_use=False)

    monkeypatch.setattr("ingest.logging.configure", configure)
    yield
    structlog.reset_defaults()

"""What every dialect's test needs: a request, and what the server does."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ingest.replay.dialects import DIALECTS
from ingest.replay.dialects.base import Reply, Session

Ask = Callable[..., list[object]]


@pytest.fixture
def ask() -> Ask:
    """Actions for a request to a venue that serves some topics; replies decoded."""

    def asked(
        venue: str, body: object, serves: Sequence[str] = (), subscribed: Sequence[str] = ()
    ) -> list[object]:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        session = Session("0000000a", "", subscribed, lambda topic: topic in serves)
        actions = DIALECTS[venue].request(payload, session)
        found: list[Any] = [
            json.loads(action.payload) if isinstance(action, Reply) else action
            for action in actions
        ]
        return found

    return asked

"""docs/wscore-sync.md cannot go stale: its examples run."""

import re
import threading
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

DOCS = (Path(__file__).parents[3] / "docs" / "wscore-sync.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(number: int) -> None:
    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        try:
            source = EXAMPLES[number].replace("localhost:8765", f"127.0.0.1:{port}")
            exec(compile(source, f"docs/wscore-sync.md, example {number}", "exec"), {})
        finally:
            server.shutdown()
            thread.join()

"""Ending tasks that may be connecting."""

import asyncio
from typing import Any

_CANCEL_AGAIN_S = 0.1


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel *task* and wait for its end.

    Asked until it is heard: a cancellation that arrives while redis-py connects can get
    lost in there.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)

"""How a callback-style client waits before it connects again. Pure."""

import random as _random
from collections.abc import Callable

from wscore.backoff import Backoff

_CAP_S = 60.0
_HEALTHY_AFTER_S = 10.0


def reconnect_backoff(base_s: float, random: Callable[[], float] = _random.random) -> Backoff:
    """Return the waits for `reconnect=base_s`: first about that, then twice as long, …

    The user names a pace, so that the jitter shortens a wait by a quarter at most.
    A session that lasted ten seconds, or *base_s* if that is longer, starts over.
    """
    return Backoff(
        base_s=base_s,
        cap_s=max(_CAP_S, base_s),
        healthy_after_s=max(_HEALTHY_AFTER_S, base_s),
        random=lambda: 0.75 + 0.25 * random(),
    )

"""The one who says whose turn it is; lives in the supervisor, or where there is but one process."""

import asyncio
import time
from collections.abc import Callable

import structlog

from ingest import venues
from ingest.limits.gate import Gate
from ingest.limits.messages import Ask, FromGate, Lane, Outcome, Tell, Withdraw, host_of
from ingest.limits.reach import Reach
from ingest.limits.turns import Counted, LimitOf, Turns
from ingest.venues.base import RestLimits

_log = structlog.get_logger(__name__)

# Of a venue that publishes none, or whose file does not have them yet.
_JITTER_S, _JITTER_SHARE = 0.25, 0.05
DEFAULT_REST_LIMITS = RestLimits(weight=(60, 60.0))


def venue_limit(lane: Lane) -> tuple[int, float]:
    """Return what the venue allows one address on *lane*.

    In a window somewhat longer than the venue's: it counts what arrives, and one may take
    longer on its way than the next; of some hundred attempts that are made at once, seconds.
    """
    venue = venues.get(lane.venue)
    if lane.kind == "connect":
        limit = venue.limits.connects
    elif lane.kind == "rest":
        limit = (venue.rest_limits or DEFAULT_REST_LIMITS).weight
    else:
        assert venue.limits.messages_per_host is not None
        limit = venue.limits.messages_per_host
    count, window_s = limit
    return count, window_s + _JITTER_S + window_s * _JITTER_SHARE


def venue_group(lane: Lane) -> str:
    """Return what the venues that are counted together have in common: their own host.

    Not where the config has them be: at one replay, say, venues are still several.
    """
    venue = venues.get(lane.venue)
    return host_of(venue.rest_url if lane.kind == "rest" else venue.ws_url)


class Broker:
    """Gives turns to everybody's gates. What is asked waits here, not at the venue."""

    def __init__(
        self,
        limit_of: LimitOf = venue_limit,
        *,
        base_s: float = 0.5,
        cap_s: float = 30.0,
    ) -> None:
        """*base_s*, *cap_s*: as `Reach` has them."""
        self.turns = Turns(limit_of, group_of=venue_group, new_reach=lambda: Reach(base_s, cap_s))
        self.changed = asyncio.Event()  # something was used or banned; its reader clears it
        self._failing_since_s: dict[Counted, float] = {}
        self._said: set[Counted] = set()  # of these, those that are logged
        self._go: dict[int, Callable[[int], None]] = {}  # by owner
        self._owners = 0
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, go: Callable[[int], None]) -> "Attachment":
        """Take on somebody who asks; *go* is called with the number of what may be done."""
        self._owners += 1
        self._go[self._owners] = go
        return Attachment(self, self._owners)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self.turns.waiting

    def receive(self, owner: int, message: FromGate) -> None:
        """Take what came from a gate."""
        now_s = time.monotonic()
        match message:
            case Ask(number, lane, weight, who):
                self.turns.ask((owner, number), lane, weight, who=who)
            case Withdraw(number):
                self.turns.withdraw((owner, number))
            case Outcome(number, reached):
                self.turns.ended((owner, number), reached, now_s)
            case Tell():
                self._tell(message, now_s)
        self._serve()

    def detach(self, owner: int) -> None:
        """Its process has ended: what it waited for is void, what it used is not."""
        self._go.pop(owner, None)
        self.turns.forget(owner)
        self._serve()

    def _tell(self, message: Tell, now_s: float) -> None:
        if message.lost:
            self.turns.lost(message.lane)
        if message.used is not None:
            self.turns.believe(message.lane, message.used, now_s)
        away_s = message.stay_away_s
        if away_s and self.turns.ban(message.lane.host, now_s + away_s):
            self.changed.set()
            _log.warning(
                "limits: a venue asks us to stay away; nothing is sent there until then",
                venue=message.lane.venue,
                host=message.lane.host,
                for_s=round(away_s, 3),
            )

    def _serve(self) -> None:
        """Give the turns that are due, and wake up for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = time.monotonic()
        for owner, number in self.turns.due(now_s):
            self.changed.set()
            self._go[owner](number)
        self._say_reached(now_s)
        in_s = self.turns.next_in_s(time.monotonic())
        if in_s is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, in_s), self._serve)

    def _say_reached(self, now_s: float) -> None:
        """Log which hosts are not reached, and are again, once for all who wait for it."""
        for counted, failed in self.turns.failing():
            if not failed:
                since_s = self._failing_since_s.pop(counted, now_s)
                if counted in self._said:
                    self._said.remove(counted)
                    away_s = round(now_s - since_s, 3)
                    _log.info("limits: a host is reached again", host=counted.host, away_s=away_s)
                continue
            self._failing_since_s.setdefault(counted, now_s)
            if failed > 1 and counted not in self._said:  # a single one says so itself
                self._said.add(counted)
                _log.warning(
                    "limits: a host is not reached; one connection tries for all",
                    host=counted.host,
                )


class Attachment:
    """One who asks, as the broker knows it."""

    def __init__(self, broker: Broker, owner: int) -> None:
        self._broker = broker
        self._owner = owner

    def receive(self, message: FromGate) -> None:
        """Pass on what its gate sent."""
        self._broker.receive(self._owner, message)

    def detach(self) -> None:
        """It is gone."""
        self._broker.detach(self._owner)


def local_gate(broker: Broker) -> Gate:
    """Return a gate in the broker's own process."""
    gate = Gate(lambda message: attachment.receive(message))
    attachment = broker.attach(gate.go)
    return gate

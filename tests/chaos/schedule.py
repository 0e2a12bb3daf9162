"""What goes wrong, when, and for how long: drawn from a seed. Pure."""

import random
from typing import NamedTuple

from tests.chaos import reloads

# How often each is drawn, and for how long it lasts at most, in seconds.
_KINDS: dict[str, tuple[int, float]] = {
    "venue cut": (4, 1.0),
    "venue stall": (3, 2.0),
    "venue half_open": (3, 1.0),
    "venue cut_one": (3, 0.0),
    "venue half_open_one": (2, 0.0),
    "venue slow": (2, 2.0),
    "venue reset_mid_frame": (4, 0.3),
    "venue corrupt": (4, 0.3),
    "venue close": (2, 0.0),
    "venue rest": (4, 2.0),
    "venue burst": (2, 1.0),
    "redis cut": (4, 2.0),
    "redis stall": (3, 2.5),
    "redis half_open": (2, 1.0),
    "redis slow": (2, 2.0),
    "redis reset_mid_frame": (4, 0.3),
    "redis corrupt": (4, 0.3),
    "redis kill": (4, 2.0),
    "redis forget": (3, 8.0),
    "redis stop": (3, 2.5),
    "redis oom": (3, 2.0),
    "redis readonly": (3, 2.0),
    "redis clients": (3, 0.0),
    "redis pause": (2, 1.0),
    "worker kill": (5, 0.0),
    "worker stop": (3, 2.0),
    "worker disk": (3, 2.0),
    "worker files": (1, 1.5),
    "service term": (3, 0.5),
    "service kill": (2, 0.5),
    "service reload": (4, 1.5),
}
# What a process does not live through.
_DEADLY = ("worker kill", "service term", "service kill")
_REST = ("500", "503", "garbage", "cut", "hang", "slow")


class Fault(NamedTuple):
    """One fault: *detail* is a worker's number, a rate, a kind of bad answer."""

    at_s: float
    target: str
    kind: str
    for_s: float
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.at_s:5.2f} s  {self.target} {self.kind}"
        if self.detail:
            text += f" {self.detail}"
        return text + (f"  for {self.for_s:.2f} s" if self.for_s else "")


def draw(seed: int, *, length_s: float = 3.0, most: int = 5, deadly: bool = True) -> list[Fault]:
    """Return the faults of a seed, by time; there may be several at once.

    Not *deadly*: every process and connection lives on, and bursts are such that a market
    which is busy as it is can bring them.
    """
    rng = random.Random(f"chaos {seed}")
    names = [name for name in _KINDS if deadly or name not in _DEADLY]
    weights = [_KINDS[name][0] for name in names]
    faults = []
    for name in rng.choices(names, weights, k=rng.randint(1, most)):
        target, kind = name.split(" ")
        longest_s = _KINDS[name][1]
        for_s = round(rng.uniform(0.1, longest_s), 2) if longest_s else 0.0
        detail = ""
        if target == "worker":
            detail = str(rng.randrange(2))
        elif kind == "rest":
            detail = rng.choice(_REST)
        elif kind == "reload":
            detail = rng.choice(reloads.KINDS if deadly else reloads.LASTING)
        elif kind == "slow":
            detail = str(rng.choice((2_000, 20_000, 100_000)))
        elif kind == "burst":
            detail = str(rng.choice((5, 20) if deadly else (2, 3)))
        elif kind == "close":
            detail = str(rng.choice((1000, 1001, 1012)))
        faults.append(Fault(round(rng.uniform(0, length_s), 2), target, kind, for_s, detail))
    return sorted(faults)


def show(seed: int, faults: list[Fault]) -> str:
    """The schedule, for people."""
    return "\n".join([f"seed {seed}", *(f"  {fault}" for fault in faults)])

"""What the venues allow one address, kept by all processes of the service together.

The supervisor has the one `Broker`; whoever wants to connect or to ask something
waits at a `Gate` for its turn.
"""

from ingest.limits.broker import Broker, local_gate
from ingest.limits.gate import Gate
from ingest.limits.memory import begin_with, remembering
from ingest.limits.messages import Ask, FromGate, Go, Lane, Outcome, Tell, Withdraw, lane

__all__ = [
    "Ask",
    "Broker",
    "FromGate",
    "Gate",
    "Go",
    "Lane",
    "Outcome",
    "Tell",
    "Withdraw",
    "begin_with",
    "lane",
    "local_gate",
    "remembering",
]

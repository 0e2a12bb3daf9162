"""What the venues allow one address, kept by all processes of the service together.

The supervisor has the one `Broker`; whoever wants to connect or to ask something
waits at a `Gate` for its turn.
"""

from ingest.limits.broker import Broker, local_gate
from ingest.limits.gate import Gate
from ingest.limits.messages import Answered, Ask, FromGate, Go, Lane, Tell, Withdraw, lane

__all__ = [
    "Answered",
    "Ask",
    "Broker",
    "FromGate",
    "Gate",
    "Go",
    "Lane",
    "Tell",
    "Withdraw",
    "lane",
    "local_gate",
]

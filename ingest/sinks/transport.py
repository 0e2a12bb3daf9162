"""What the publisher speaks through: one connection, or one to each node of a cluster."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ingest.errors import SinkError
from ingest.sinks.batch import Batch


class Question(NamedTuple):
    """One command about one stream."""

    key: str
    command: bytes


class Sent(NamedTuple):
    """A transaction that was sent: all of a batch, or what one stream has of it.

    `outcome` are the replies to MULTI, each XADD and EXEC; or why there are none, and
    then it may have been executed or not.
    """

    batch: Batch
    outcome: list[Any] | SinkError


class Transport(Protocol):
    """Connections in use by one task. They are not repaired: once lost, open anew."""

    @property
    def lost(self) -> str | None:
        """Why a connection is unusable; None while all are fine."""
        ...

    async def store(self, batch: Batch) -> list[Sent]:
        """Send *batch*, each stream's entries as a whole or not at all.

        Raises:
            SinkError: nothing is known of any of it.
        """
        ...

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """Return the reply to each question, error replies as values.

        Raises:
            SinkError: one of them has no reply.
        """
        ...

    async def locate(self, questions: Sequence[Question]) -> list[Any]:
        """As `ask`; from now on each stream is written to whoever answered.

        A transport that finds a stream elsewhere later does not write there before it
        was located again: what is there may be less than what was stored before.
        """
        ...

    async def write(self, questions: Sequence[Question]) -> list[Any]:
        """As `ask`, for commands that write: they are as durable as what `store` sends."""
        ...

    async def close(self) -> None:
        """Close at once; never raises, never waits long."""
        ...


class Target(Protocol):
    """Whoever a URL names. `str` gives it without its password."""

    async def open(self, on_lost: Callable[[], None]) -> Transport:
        """Connect. *on_lost* is called when a connection is lost, also while nothing is asked.

        Raises:
            Unavailable: there is no connection; the reaction says what may help.
        """
        ...

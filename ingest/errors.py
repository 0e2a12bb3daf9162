"""One error class per reaction.

| error          | reaction of whoever catches it                          |
|----------------|---------------------------------------------------------|
| `ConfigError`  | stop with exit status 2; print the report                |
| `DecodeError`  | count, keep a sample for the log, carry on               |
| `SinkError`    | keep what was not acknowledged, reconnect with backoff   |
| `RestError`   | ask again later, or do without                           |
| `EmbeddedServerError` | stop with exit status 1; say what the server said |

Exceptions stay in their process; workers report Structs.
"""


class IngestError(Exception):
    """Root of every error this package raises on purpose."""


class ConfigError(IngestError):
    """The configuration cannot be used.

    `problems` holds one line per mistake: place, found, accepted.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DecodeError(IngestError):
    """One message from a venue is not what its protocol promises.

    `reason` is a short, bounded word for the metric's label; the text says what
    was expected and what came.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SinkError(IngestError):
    """The sink is out of reach or refused a batch as a whole."""


class SpoolError(IngestError):
    """The disk, where entries should wait for the server, cannot be used."""


class RestError(IngestError):
    """A venue's REST interface gave no usable answer. `status` 0: it gave none at all."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class EmbeddedServerError(IngestError):
    """The embedded Redis-compatible server did not start, or died."""

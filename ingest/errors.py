"""One error class per reaction.

| error          | reaction of whoever catches it                          |
|----------------|---------------------------------------------------------|
| `ConfigError`  | stop with exit status 2; print the report                |
| `DecodeError`  | count, keep a sample for the log, carry on               |
| `RestError`    | try again later, more and more rarely                    |
| `SinkError`    | keep what was not acknowledged, reconnect with backoff   |
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


class RestError(IngestError):
    """The venue's REST interface gave no usable answer: out of reach, refused, or too late."""


class SinkError(IngestError):
    """The sink is out of reach or refused a batch as a whole."""


class EmbeddedServerError(IngestError):
    """The embedded Redis-compatible server did not start, or died."""

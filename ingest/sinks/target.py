"""From a URL to whoever it names."""

from ingest.config.redis_url import parse_redis_url
from ingest.errors import ConfigError
from ingest.sinks.adopt import Server
from ingest.sinks.counters import SinkCounters
from ingest.sinks.settings import SinkSettings
from ingest.sinks.single import SingleTarget
from ingest.sinks.transport import Target


def make_target(
    url: str, settings: SinkSettings, counters: SinkCounters, client_name: str
) -> Target:
    """Return what *url* names; nothing is connected yet.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        parsed = parse_redis_url(url)
    except ValueError as exc:
        raise ConfigError([f"redis.url: {exc}"]) from exc
    server = Server(parsed.server, timeout_s=settings.connect_timeout_s, client_name=client_name)
    return SingleTarget(server, settings, counters)

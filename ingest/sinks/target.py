"""From a URL to whoever it names."""

from ingest.config.redis_url import parse_redis_url
from ingest.errors import ConfigError
from ingest.sinks.adopt import Server
from ingest.sinks.cluster import ClusterTarget
from ingest.sinks.counters import SinkCounters
from ingest.sinks.sentinel import SentinelTarget
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
    match parsed.kind:
        case "server":
            return SingleTarget(server, settings, counters)
        case "sentinel":
            # Theirs are another user and password, and no databases.
            own = {"username": None, "password": None, "db": 0, **dict(parsed.sentinel_options)}
            sentinels = [server.at(address, **own) for address in parsed.hosts]
            return SentinelTarget(server, sentinels, parsed.service, settings, counters)
        case "cluster":
            return ClusterTarget(server, parsed.hosts, settings, counters)

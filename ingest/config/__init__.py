"""The configuration: `load` reads and checks a file, the Structs hold what it says."""

from ingest.config.load import load, parse_config
from ingest.config.schema import (
    Config,
    FeedConfig,
    LogConfig,
    MetricsConfig,
    ReconnectConfig,
    RedisConfig,
    Selector,
    ShutdownConfig,
    VenueConfig,
    WaitConfig,
    WebSocketConfig,
    embedded_socket,
    socket_url,
)

__all__ = [
    "Config",
    "FeedConfig",
    "LogConfig",
    "MetricsConfig",
    "ReconnectConfig",
    "RedisConfig",
    "Selector",
    "ShutdownConfig",
    "VenueConfig",
    "WaitConfig",
    "WebSocketConfig",
    "embedded_socket",
    "load",
    "parse_config",
    "socket_url",
]

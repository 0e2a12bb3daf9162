"""The configuration as typed, frozen values. docs/config.md explains each key.

An attribute and its key in the file have one name, but for `max_message_size` and the
spool's `max_size`, which are read as sizes and kept in bytes. Bounds stand in the annotations; the
rules that look at more than one value are in `ingest.config.rules` and
`ingest.config.feeds`.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from msgspec import Meta, Struct, field

from ingest.config import leaves
from ingest.config.leaves import Leaf

# Above a day, somebody wrote milliseconds.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
SecondsOfDays = Annotated[float, Meta(gt=0, le=10_000_000)]
SecondsOrZero = Annotated[float, Meta(ge=0, le=86_400)]
MaxAgeSeconds = Annotated[float, Meta(ge=1, le=10**8)]
SnapshotSeconds = Annotated[float, Meta(ge=0.1, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=10**12)]

Encoding = Literal["fields", "json", "msgpack", "cryptofeed", "nautilus"]
LogLevel = Literal["debug", "info", "warning", "error"]

_RedisUrl = Annotated[str, Leaf(leaves.REDIS_URL, leaves.parse_redis_url, secret=True)]
_KeyTemplate = Annotated[str, Leaf(leaves.KEY, leaves.parse_key)]
_EncodingLeaf = Annotated[Encoding, Leaf(leaves.ENCODING, leaves.parse_encoding)]
_WsUrl = Annotated[str, Leaf(leaves.WS_URL, leaves.parse_ws_url, secret=True)]
_HttpUrl = Annotated[str, Leaf(leaves.HTTP_URL, leaves.parse_http_url, secret=True)]
_ProxyUrl = Annotated[str, Leaf(leaves.PROXY_URL, leaves.parse_proxy_url, secret=True)]
_Impersonate = Annotated[str, Leaf(leaves.IMPERSONATE, leaves.parse_impersonate)]
_CaFile = Annotated[str, Leaf(leaves.CA_FILE, leaves.parse_ca_file)]
_SourceAddress = Annotated[str, Leaf(leaves.SOURCE_ADDRESS, leaves.parse_source_address)]
_Name = Annotated[str, Leaf(leaves.NAME, leaves.parse_name)]
_Size = Annotated[int, Leaf(leaves.SIZE, leaves.parse_size)]
_DiskSize = Annotated[int, Leaf(leaves.DISK_SIZE, leaves.parse_disk_size)]
_Listen = Annotated[str, Leaf(leaves.LISTEN, leaves.parse_listen)]


class WaitConfig(Struct, frozen=True, kw_only=True):
    """How many replicas must have an entry before it counts as stored."""

    replicas: Annotated[int, Meta(ge=1, le=1000)] = 1
    timeout_s: Annotated[float, Meta(ge=0.001, le=60)] = 1.0  # then they are asked again


class RedisConfig(Struct, frozen=True, kw_only=True):
    """Where and how streams are written. `url` None: the embedded server."""

    url: _RedisUrl | None = None
    maxlen: Count = 1_000_000  # entries per stream, trimmed approximately
    max_age_s: SecondsOfDays | None = None  # older ones are trimmed, approximately; None: none
    wait: WaitConfig | None = None  # None: the master's word is enough
    encoding: _EncodingLeaf = "fields"
    key: _KeyTemplate = "md:{venue}:{channel}:{instrument}"  # `load`: the encoding's own


class SpoolConfig(Struct, frozen=True, kw_only=True):
    """Where entries wait on disk, under `data_dir`, while Redis is away or slow."""

    enabled: bool = True
    max_bytes: _DiskSize = field(default=4 * 2**30, name="max_size")  # of all workers together
    max_age_s: SecondsOfDays | None = None  # older entries are dropped; None: never
    fsync_s: SecondsOrZero | None = 1.0  # 0: after every write; None: left to the system


WhenSlow = Literal["spool", "block"]
WhenSlowState = Literal["spool", "block", "conflate"]


class WhenSlowConfig(Struct, frozen=True, kw_only=True):
    """What becomes of a channel's entries while Redis takes fewer than come."""

    trade: WhenSlow = "spool"
    bbo: WhenSlowState = "spool"
    book: WhenSlow = "spool"
    ticker: WhenSlowState = "spool"
    candle: WhenSlow = "spool"  # all intervals
    mark: WhenSlowState = "spool"
    funding: WhenSlowState = "spool"
    open_interest: WhenSlowState = "spool"
    liquidation: WhenSlow = "spool"

    def of(self, channel: str) -> WhenSlowState:
        """Return the policy of a channel by its full name, such as `candle_1m`."""
        # candle_1m, book_l2_tbt, ticker_raw; agg_trade
        kinds = (channel, channel.partition("_")[0], channel.rpartition("_")[2])
        policy: WhenSlowState = next(
            getattr(self, kind) for kind in kinds if kind in self.__struct_fields__
        )
        return policy


class VenueConfig(Struct, frozen=True, kw_only=True):
    """How one venue is reached where that differs from the venue's own rules."""

    ws_url: _WsUrl | None = None  # without a path: the venue's own path
    rest_url: _HttpUrl | None = None
    # Of several, each leg of a redundant feed has the next one; REST has the first.
    proxy: _ProxyUrl | tuple[_ProxyUrl, ...] | None = None
    source_address: _SourceAddress | tuple[_SourceAddress, ...] | None = None
    impersonate: _Impersonate | None = None
    topics_per_connection: Count | None = None  # at most the venue's own limit
    max_age_s: MaxAgeSeconds | None = None  # of a connection; at most the venue's own limit
    ca_file: _CaFile | None = None  # trusted for this venue, instead of the usual ones
    verify: bool = True  # the venue's certificate and host name

    def proxy_of(self, leg: int) -> str | None:
        """Return the proxy of a leg, from 0."""
        return _nth(self.proxy, leg)

    def source_address_of(self, leg: int) -> str | None:
        """Return where a leg's connection comes from."""
        return _nth(self.source_address, leg)


class Selector(Struct, frozen=True, kw_only=True):
    """Instruments by rule rather than by name."""

    quote: str | None = None  # "USDT"
    match: str | None = None  # a pattern over our names: "*-USDT-PERP"
    top: Count | None = None  # only that many
    by: Literal["volume"] | None = None  # what `top` ranks by


class FeedConfig(Struct, frozen=True, kw_only=True):
    """Channels of instruments at one venue; never shares a connection with another feed."""

    venue: str
    channels: tuple[str, ...]
    instruments: tuple[str, ...] | Selector
    name: _Name = ""  # `load` fills in the venue's name and a number
    book_snapshot_every_s: SnapshotSeconds | None = None  # None: no snapshots of ours
    # Connections that bring the same at any time; each event goes out once.
    redundancy: Annotated[int, Meta(ge=1, le=4)] = 1


class InstrumentsConfig(Struct, frozen=True, kw_only=True):
    """How often selectors look for what is new at their venues; None: only at the start."""

    refresh_s: Seconds | None = 3600.0


class ReconnectConfig(Struct, frozen=True, kw_only=True):
    """The wait before attempt n is random, up to `base_s` doubled n times, at most `cap_s`.

    Only a session that lasted `healthy_after_s` starts the count anew.
    """

    base_s: Seconds = 0.5
    cap_s: Seconds = 30.0
    healthy_after_s: SecondsOrZero = 60.0


class WebSocketConfig(Struct, frozen=True, kw_only=True):
    """The WebSocket client's settings; `ping_interval_s` None sends no pings."""

    open_timeout_s: Seconds = 10.0  # for DNS, TCP, TLS and the upgrade together
    recv_queue_size: Annotated[int, Meta(ge=1, le=10**7)] = 16_384  # messages
    drain_on_error: bool = True
    max_message_bytes: _Size = field(default=16 * 2**20, name="max_message_size")
    ping_interval_s: Seconds | None = 20.0
    ping_timeout_s: Seconds | None = 20.0


class ShutdownConfig(Struct, frozen=True, kw_only=True):
    """How long a graceful stop may take before the rest is cut short."""

    grace_s: Seconds = 10.0


class MetricsConfig(Struct, frozen=True, kw_only=True):
    """Where Prometheus may scrape; None: nowhere."""

    listen: _Listen | None = "127.0.0.1:9464"


class LogConfig(Struct, frozen=True, kw_only=True):
    """What is logged."""

    level: LogLevel = "info"


class Config(Struct, frozen=True, kw_only=True):
    """A whole, valid configuration, as `load` returns it."""

    feeds: tuple[FeedConfig, ...]
    redis: RedisConfig = RedisConfig()
    spool: SpoolConfig = SpoolConfig()
    when_slow: WhenSlowConfig = WhenSlowConfig()
    workers: Literal["auto"] | Annotated[int, Meta(ge=1, le=1024)] = "auto"
    venues: dict[str, VenueConfig] = field(default_factory=dict)
    instruments: InstrumentsConfig = InstrumentsConfig()
    reconnect: ReconnectConfig = ReconnectConfig()
    websocket: WebSocketConfig = WebSocketConfig()
    shutdown: ShutdownConfig = ShutdownConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()
    data_dir: str = "./data"  # relative to where the program was started

    def venue(self, name: str) -> VenueConfig:
        """Return the settings of one venue, the defaults where the file has none."""
        return self.venues.get(name, _DEFAULT_VENUE)


_DEFAULT_VENUE = VenueConfig()


def _nth(values: str | tuple[str, ...] | None, index: int) -> str | None:
    return values[index % len(values)] if isinstance(values, tuple) else values


def embedded_socket(data_dir: str | Path) -> Path:
    """Return where the embedded server listens: an absolute path, `<data_dir>/redis.sock`."""
    return Path(data_dir).absolute() / "redis.sock"


def socket_url(path: Path) -> str:
    """Return the `unix://` URL of a socket, with what a URL cannot hold escaped."""
    return f"unix://{quote(str(path))}"

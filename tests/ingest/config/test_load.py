"""`load` and `parse_config`: what a sound config holds, and what an unsound one is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.config import (
    Config,
    FeedConfig,
    ReconnectConfig,
    RedisConfig,
    Selector,
    VenueConfig,
    WebSocketConfig,
    embedded_socket,
    load,
    parse_config,
    socket_url,
)
from ingest.errors import ConfigError
from ingest.plan import make_plan

Good = Callable[..., Config]
Bad = Callable[..., list[str]]

WHOLE = """\
# A comment, quotes of both kinds, lists of both kinds.
redis:
  url: 'redis://user:pw@127.0.0.1:6379/0'
  maxlen: 1_000
  encoding: json
  key: "x:{venue}:{channel}:{instrument}"
workers: 3
venues:
  alpha: {ws_url: "ws://127.0.0.1:9000", proxy: null, verify: false, topics_per_connection: 4}
feeds:
  - venue: alpha
    channels: [trade,
               bbo]   # over two lines
    instruments:
      - BTC-USDT
      - "ETH-USDT"
  - {venue: beta, channels: [trade], instruments: [BTC-USDT], name: quiet}
  - {venue: alpha, channels: [candle_1m], instruments: [BTC-USDT]}
reconnect: {base_s: 1, cap_s: 10.5, healthy_after_s: 0}
websocket: {max_message_size: 1MiB, ping_interval_s: null}
shutdown: {grace_s: 2}
metrics: {listen: null}
log: {level: debug}
data_dir: /var/lib/ingest
"""


def test_every_key_is_read(good: Good) -> None:
    """What the file says is what the Structs hold, with units and defaults applied."""
    config = good(WHOLE)

    assert config.redis == RedisConfig(
        url="redis://user:pw@127.0.0.1:6379/0",
        maxlen=1000,
        encoding="json",
        key="x:{venue}:{channel}:{instrument}",
    )
    assert config.workers == 3
    assert config.venue("alpha") == VenueConfig(
        ws_url="ws://127.0.0.1:9000", verify=False, topics_per_connection=4
    )
    assert config.venue("beta") == VenueConfig()
    assert config.feeds == (
        FeedConfig(
            venue="alpha",
            channels=("trade", "bbo"),
            instruments=("BTC-USDT", "ETH-USDT"),
            name="alpha-1",
        ),
        FeedConfig(venue="beta", channels=("trade",), instruments=("BTC-USDT",), name="quiet"),
        FeedConfig(
            venue="alpha", channels=("candle_1m",), instruments=("BTC-USDT",), name="alpha-2"
        ),
    )
    assert config.reconnect == ReconnectConfig(base_s=1.0, cap_s=10.5, healthy_after_s=0.0)
    assert config.websocket == WebSocketConfig(max_message_bytes=2**20, ping_interval_s=None)
    assert config.shutdown.grace_s == 2.0
    assert config.metrics.listen is None
    assert config.log.level == "debug"
    assert config.data_dir == "/var/lib/ingest"


def test_only_feeds_are_required(good: Good) -> None:
    """Everything else has the contract's defaults; a section left empty has them too."""
    config = good("redis:\nreconnect:\n")

    assert config.redis == RedisConfig()
    assert config.workers == "auto"
    assert config.reconnect == ReconnectConfig(base_s=0.5, cap_s=30.0, healthy_after_s=60.0)
    assert config.websocket == WebSocketConfig(
        recv_queue_size=16384,
        drain_on_error=True,
        max_message_bytes=16 * 2**20,
        ping_interval_s=20.0,
        ping_timeout_s=20.0,
    )
    assert config.shutdown.grace_s == 10.0
    assert config.metrics.listen == "127.0.0.1:9464"


CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_the_configs_that_ship_are_sound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`configs/*.yaml` pass against the real venues; one variable leads to another Redis."""
    monkeypatch.undo()
    url = "redis://redis:6379/0"

    config = load(path, {})
    selecting = [feed.name for feed in config.feeds if isinstance(feed.instruments, Selector)]
    plan = make_plan(config, cores=4, redis_url=url, selected=dict.fromkeys(selecting, ()))

    assert {c.feed for worker in plan.workers for c in worker.connections} == {
        feed.name for feed in config.feeds if feed.name not in selecting
    }
    assert load(path, {"INGEST_REDIS_URL": url}).redis.url == url


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "reddis: {}",
            [
                "f.yaml:1: reddis is not a known key; did you mean redis? Use feeds, redis, "
                "spool, when_slow, workers, venues, instruments, reconnect, websocket, shutdown, "
                "metrics, log or data_dir"
            ],
        ),
        ("workers: 0", ["f.yaml:1: workers is 0; use auto, or a whole number from 1 to 1,024"]),
        (
            "workers: true",
            ["f.yaml:1: workers is true; use auto, or a whole number from 1 to 1,024"],
        ),
        (
            "workers: two",
            ['f.yaml:1: workers is "two"; use auto, or a whole number from 1 to 1,024'],
        ),
        (
            "workers:",
            ["f.yaml:1: workers is null (no value); use auto, or a whole number from 1 to 1,024"],
        ),
        (
            "redis: {maxlen: 0}",
            ["f.yaml:1: redis.maxlen is 0; use a whole number from 1 to 1,000,000,000,000"],
        ),
        (
            "redis: {maxlen: 1.5}",
            ["f.yaml:1: redis.maxlen is 1.5; use a whole number from 1 to 1,000,000,000,000"],
        ),
        (
            "redis: [a]",
            [
                "f.yaml:1: redis is a list; "
                "use a mapping with url, maxlen, max_age_s, wait, encoding, key"
            ],
        ),
        (
            "redis: {encoding: nautilus, key: 'md:{venue}:{channel}:{instrument}'}",
            [
                'f.yaml:1: redis.key is "md:{venue}:{channel}:{instrument}"; {venue} is not one of '
                "its placeholders; use text with the encoding's placeholders, each once and apart "
                "from one another: {topic} and, if need be, {channel}"
            ],
        ),
        (
            "redis: {encoding: jsn}",
            [
                'f.yaml:1: redis.encoding is "jsn"; did you mean json? Use fields, json, msgpack, '
                "cryptofeed or nautilus"
            ],
        ),
        (
            "redis: {url: redis://127.0.0.1:99999}",
            [
                'f.yaml:1: redis.url is "redis://127.0.0.1:99999"; its port is not a number from '
                "1 to 65535 (in a password, write / as %2F, @ as %40, : as %3A)"
            ],
        ),
        (
            "redis: {url: 'redis://joe:pa/ss@w@db:6379'}",
            [
                'f.yaml:1: redis.url is "redis://***@db:6379"; its port is not a number from '
                "1 to 65535 (in a password, write / as %2F, @ as %40, : as %3A)"
            ],
        ),
        (
            "redis: {url: 'redis+sentinel://:pw@a,b:26379?sentinel_password=x'}",
            [
                'f.yaml:1: redis.url is "redis+sentinel://***@a,b:26379?sentinel_password=***"; '
                "it names no service; use redis+sentinel://host[:port],…/service"
            ],
        ),
        (
            "redis: {url: redis://h, wait: {replicas: 0}}",
            [
                "f.yaml:1: redis.wait.replicas is 0; use a whole number from 1 to 1,000",
            ],
        ),
        (
            "redis: {wait: {replicas: 1}}",
            [
                "f.yaml:1: redis.wait is for a server with replicas, and the embedded one has "
                "none; give redis.url"
            ],
        ),
        (
            "venues: {gamma: {}}",
            ["f.yaml:1: venues.gamma is not a known venue; use alpha or beta"],
        ),
        (
            "venues: {alpha: {proxy: 'joe:pw@host:1'}}",
            [
                'f.yaml:1: venues.alpha.proxy is "***@host:1"; use a URL http://, https://, '
                "socks4://, socks5:// or socks5h://[user:password@]host:port"
            ],
        ),
        (
            "venues: {alpha: {topics_per_connection: 11}}",
            ["f.yaml:1: venues.alpha.topics_per_connection is 11; alpha allows at most 10"],
        ),
        (
            "venues: {alpha: {max_age_s: 7200}}",
            ["f.yaml:1: venues.alpha.max_age_s is 7200; alpha allows at most 3600"],
        ),
        (
            "venues: {alpha: {source_address: [127.0.0.1, no way], proxy: ['http://h:1', h]}}",
            [
                'f.yaml:1: venues.alpha.proxy[1] is "***"; use a URL http://, https://, socks4://, '
                "socks5:// or socks5h://[user:password@]host:port",
                'f.yaml:1: venues.alpha.source_address[1] is "no way"; '
                "use an address of this machine, or the name of a network interface",
            ],
        ),
        (
            "venues: {alpha: {ca_file: /no/such.pem}}",
            [
                'f.yaml:1: venues.alpha.ca_file is "/no/such.pem"; there is no such file; '
                "use the path of a PEM file that exists"
            ],
        ),
        (
            "venues: {alpha: {verify: 'no'}}",
            ['f.yaml:1: venues.alpha.verify is "no"; use true or false'],
        ),
        (
            "reconnect: {base_s: .nan, healthy_after_s: -1}",
            [
                "f.yaml:1: reconnect.base_s is .nan; use a number above 0, at most 86,400",
                "f.yaml:1: reconnect.healthy_after_s is -1; use a number from 0 to 86,400",
            ],
        ),
        (
            "reconnect: {base_s: 0, cap_s: 1e999}",
            [
                "f.yaml:1: reconnect.base_s is 0; use a number above 0, at most 86,400",
                "f.yaml:1: reconnect.cap_s is 1e999; use a number above 0, at most 86,400",
            ],
        ),
        (
            "reconnect: {cap_s: 0.1}",
            ["f.yaml:1: reconnect.cap_s is 0.1; use no less than base_s"],
        ),
        (
            "reconnect: {base_s: 40}",
            ["f.yaml:1: reconnect.base_s is 40; use no more than cap_s, which is 30"],
        ),
        (
            "websocket: {recv_queue_size: true}",
            [
                "f.yaml:1: websocket.recv_queue_size is true; "
                "use a whole number from 1 to 10,000,000"
            ],
        ),
        (
            "websocket: {max_message_size: 16Mi}",
            [
                'f.yaml:1: websocket.max_message_size is "16Mi"; use a size from 1KiB to 1GiB, '
                "such as 16MiB, 512KiB or 4_000_000 (bytes)"
            ],
        ),
        (
            "metrics: {listen: 9464}",
            [
                "f.yaml:1: metrics.listen is 9464; use an address host:port, such as "
                "127.0.0.1:9464 or [::1]:9464"
            ],
        ),
        (
            "log: {level: warn}",
            [
                'f.yaml:1: log.level is "warn"; did you mean warning? '
                "Use debug, info, warning or error"
            ],
        ),
        ('data_dir: ""', ['f.yaml:1: data_dir is ""; use text']),
    ],
)
def test_mistake(text: str, problems: list[str], bad: Bad) -> None:
    """Each kind of mistake is reported with its place, what was found, and what to use."""
    assert bad(text) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["f.yaml: is empty; it needs feeds (see docs/config.md)"]),
        ("# nothing", ["f.yaml: is empty; it needs feeds (see docs/config.md)"]),
        ("- a", ["f.yaml:1: is a list; use a mapping with feeds (see docs/config.md)"]),
        ("workers: 1", ["f.yaml:1: feeds is missing; give a list of mappings"]),
    ],
)
def test_not_a_config_at_all(text: str, problems: list[str]) -> None:
    """A file that holds something else is told so."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "f.yaml", {})

    assert caught.value.problems == problems


def test_all_mistakes_at_once_in_the_order_of_the_file(bad: Bad) -> None:
    """A mistake hides no other one, whatever kind they are."""
    problems = bad(
        "redis:\n"
        "  url: http://x\n"
        "  colour: red\n"
        "workers: many\n"
        "feeds:\n"
        "  - venue: alpha\n"
        "    channels: [trades]\n"
        "    instruments: [BTCUSDT, 7]\n"
        "  - channels: [trade]\n"
        "    instruments: [BTC-USDT]\n"
        "shutdown: {grace_s: ${GRACE}}\n".replace("${GRACE}", '"${GRACE}"')
    )

    assert [problem.split(";")[0] for problem in problems] == [
        'f.yaml:2: redis.url is "http://x"',
        "f.yaml:3: redis.colour is not a known key",
        'f.yaml:4: workers is "many"',
        'f.yaml:7: feeds[0].channels[0] is "trades"',
        "f.yaml:8: feeds[0].instruments[1] is 7",
        'f.yaml:8: feeds[0].instruments[0] is "BTCUSDT"',
        "f.yaml:9: feeds[1].venue is missing",
        "f.yaml:11: shutdown.grace_s needs the environment variable GRACE, which is not set",
    ]


def test_variables_are_read_as_yaml(good: Good) -> None:
    """A variable can be a number, quoted or not, and text where text is wanted."""
    config = good(
        'workers: "${N}"\ndata_dir: ${DIR}\nmetrics: {listen: "${LISTEN:-}"}\n'
        "redis:\n  url: redis://:${PASSWORD}@db\n",
        N="4",
        DIR="2026",
        PASSWORD="s3cret",
    )

    assert config.workers == 4
    assert config.data_dir == "2026"
    assert config.metrics.listen is None
    assert config.redis.url == "redis://:s3cret@db"


def test_values_from_the_environment_are_never_shown(bad: Bad) -> None:
    """A report names the variable, not what is in it, wherever it is used."""
    problems = bad(
        "redis:\n  url: redis://:${S}@h:p\n  maxlen: ${S}\n"
        'feeds:\n  - {venue: "${S}", channels: [a], instruments: [b]}\n'
        '  - {venue: alpha, channels: ["${S}"], instruments: ["${S}"], name: "${S}"}\n',
        S="hunter2/x",
    )

    assert len(problems) == 6
    assert not any("hunter2" in problem for problem in problems)
    assert problems[1] == (
        "f.yaml:3: redis.maxlen is the value of ${S} (not shown); "
        "use a whole number from 1 to 1,000,000,000,000"
    )


S = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        *(f"redis: {{url: '{url}'}}" for url in (f"redis://joe:{S}", S, f"redis://h?pwd={S}")),
        *(f"redis: {{url: '{url}'}}" for url in (f"redis://h/{S}", f"rediss://h?ssl_certfile={S}")),
        f"redis: {{'redis://joe:{S}@h': 1}}",
        f"redis: redis://joe:{S}@h",
        f"redis: {{password: {S}}}",
        f"redis: {{url: 'redis://joe:{S}@${{HOST}}:x'}}",
        f"redis: {{url: 'redis://joe:${{PW:-{S}}}@h:x'}}",
        f"venues: {{alpha: {{proxy: 'http://joe:{S}'}}}}",
        f"venues: {{alpha: {{proxy: ['host:1:joe:{S}']}}}}",
        f"venues: {{alpha: {{ws_url: 'https://h/ws?sign={S}'}}}}",
        f"venues: {{alpha: {{rest_url: 'wss://h/v1/{S}'}}}}",
        f"redis: {{url: redis://joe:{S}@h: x: y",
    ],
)
def test_a_mistake_shows_no_secret(bad: Bad, text: str) -> None:
    """Wherever a password stands in a value that cannot be used, and in a key."""
    problems = bad(text, HOST="example.com")

    assert problems
    assert not [problem for problem in problems if S in problem]


def test_control_characters_do_not_reach_the_terminal(bad: Bad) -> None:
    """A key or a value cannot colour or move the cursor through a report."""
    assert not any("\x1b" in problem for problem in bad('"\\e[31mred": "\\e[31m"\nworkers: "\\e"'))


def test_a_file_is_read(tmp_path: Path) -> None:
    """`load` takes a path and names it in its reports; a byte order mark does no harm."""
    path = tmp_path / "c.yaml"
    path.write_bytes(
        b"\xef\xbb\xbffeeds: [{venue: alpha, channels: [trade], instruments: [BTC-USDT]}]"
    )
    assert load(path, {}).feeds[0].venue == "alpha"

    path.write_bytes(b"workers: 1\nlog: \xff\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: is not UTF-8; save the file as UTF-8$"):
        load(path, {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, a directory, a file far too large: a report each, no traceback."""
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load(tmp_path)
    large = tmp_path / "large.yaml"
    with large.open("wb") as stream:
        stream.truncate(5 * 2**20)
    with pytest.raises(ConfigError, match=r"is larger than 4,194,304 bytes; is it a config\?"):
        load(large)


def test_the_embedded_socket_has_one_place() -> None:
    """It lies in the data directory, and its URL survives spaces and signs in the path."""
    assert embedded_socket("/data") == Path("/data/redis.sock")
    assert embedded_socket("./data") == Path.cwd() / "data" / "redis.sock"
    assert socket_url(Path("/a b/100%/redis.sock")) == "unix:///a%20b/100%25/redis.sock"

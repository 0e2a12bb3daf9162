"""What each venue allows, in a table of this server's own.

Nothing here is taken from `ingest.venues`: a limit misread there has to show. Numbers
marked (*) are not in the venue's documentation, but known from clients that met them.
Sources: [BS] github.com/binance/binance-spot-api-docs; [BF] developers.binance.com,
USD-M and COIN-M futures; [OK] www.okx.com/docs-v5; [K] docs.kraken.com; [CX]
docs.cdp.coinbase.com; [BY] bybit-exchange.github.io/docs/v5; [BX] docs.bitfinex.com; [D]
docs.deribit.com; [G] developer.gemini.com/rate-limit; [BI] www.bitstamp.net/api and
/websocket/v2; [CC] exchange-docs.crypto.com; [H] hyperliquid.gitbook.io, rate limits and
user limits; [GT] www.gate.com/docs/developers/apiv4; [KC] www.kucoin.com/docs-new/rate-limit;
[HT] www.htx.com/en-us/opend/newApiPages; [BM] blog.bitmex.com, "Rate Limiting on WebSocket
Connections", "Updates to Rate Limits".
"""

from typing import Any, Literal

import msgspec


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one venue; None and (): there is none. Times in seconds.

    `messages`, of a client; each number as ("window", count, seconds) or ("bucket",
    burst, per second).
    """

    topics_per_connection: int | None = None
    topics_per_request: int | None = None
    request_bytes: int | None = None
    topic_bytes_per_connection: int | None = None
    topics_per_host: int | None = None
    messages: tuple[Literal["window", "bucket"], int, float] | None = None
    messages_count_control: bool = False  # PING and PONG frames too
    # Of the calendar second in which a connection is opened, what is left of it counts.
    messages_pro_rata: bool = False
    messages_per_host: bool = False  # all connections together, not each
    # By connection; to subscribe and to leave.
    subscribes: tuple[Literal["window", "bucket"], int, float] | None = None
    connects: tuple[tuple[Literal["window", "bucket"], int, float], ...] = ()  # attempts, by host
    open_connections: int | None = None
    subscribe_within_s: float | None = None
    ping: tuple[float, float] | None = None  # we ping every; answered within
    quiet_s: float | None = None  # neither a push nor a message of the client's for so long
    client_quiet_s: float | None = None  # no message of the client's, whatever we push
    client_ping: tuple[float, float] | None = None  # of the client's own: every; late by so much
    request_age_s: float | None = None  # between the time in a request and ours
    leave_within_s: float | None = None  # once it is told that the connection will go
    rest: tuple[int, float] | None = None  # weight, seconds; by host
    ban_s: float = 0.0  # refused for so long after a breach of connects, or of REST
    ban_status: int = 429
    ban_after_disconnects: int | None = None  # for breaches, of a host: then it is banned


RULES: dict[str, Rules] = {
    "binance": Rules(
        topics_per_connection=1024,  # [BS] "a single connection can listen to a maximum of 1024"
        request_bytes=4088,  # (*) a frame of more than 4096 bytes is met with silence
        messages=("window", 5, 1.0),  # [BS] "5 incoming messages per second"
        messages_count_control=True,  # [BS] "a PING frame, a PONG frame, a JSON controlled message"
        connects=(("window", 300, 300.0),),  # [BS] "300 connections per attempt every 5 minutes"
        ping=(20.0, 60.0),  # [BS] "every 20 seconds … within a minute"
        rest=(6000, 60.0),  # [BS] REQUEST_WEIGHT of exchangeInfo
        ban_s=120.0,  # [BS] "from 2 minutes to 3 days"
        ban_status=418,
        ban_after_disconnects=3,  # [BS] "IPs that are repeatedly disconnected may be banned"
        leave_within_s=60.0,  # (*) after serverShutdown; [BS] names no time
    ),
    "binance-usdm": Rules(
        topics_per_connection=1024,  # [BF]
        request_bytes=4088,  # (*) as spot
        messages=("window", 10, 1.0),  # [BF] "limit of 10 incoming messages per second"
        messages_count_control=True,
        connects=(("window", 300, 300.0),),  # (*) as spot
        ping=(180.0, 600.0),  # [BF] "every 3 minutes … within a 10 minute period"
        rest=(2400, 60.0),  # [BF]
        ban_s=120.0,
        ban_status=418,
        ban_after_disconnects=3,
    ),
    "binance-coinm": Rules(
        topics_per_connection=200,  # "a maximum of 200 streams", COIN-M
        request_bytes=4088,
        messages=("window", 10, 1.0),
        messages_count_control=True,
        connects=(("window", 300, 300.0),),
        ping=(180.0, 600.0),
        rest=(2400, 60.0),
        ban_s=120.0,
        ban_status=418,
        ban_after_disconnects=3,
    ),
    "okx": Rules(
        request_bytes=65536,  # [OK] "total length of multiple channels cannot exceed 64 KB"
        topic_bytes_per_connection=65536,  # the strictest reading of the same
        subscribes=("window", 480, 3600.0),  # [OK] "480 times per hour", of one connection
        connects=(("window", 3, 1.0),),  # [OK] "3 requests per second (based on IP)"
        quiet_s=30.0,  # [OK] "no data … for more than 30 seconds"
        subscribe_within_s=30.0,  # [OK] the same
        leave_within_s=60.0,  # [OK] notice 64008: "60 seconds prior to the upgrade"
        ban_s=10.0,
    ),
    "kraken": Rules(
        subscribes=("bucket", 15, 1.0),  # (*) "Exceeded msg rate" beyond some 15 at once
        connects=(("window", 150, 600.0),),  # [K] "approximately 150 attempts … 10 minutes"
        ban_s=600.0,  # [K] "banned for 10 minutes"
    ),
    "coinbase": Rules(
        subscribe_within_s=5.0,  # [CX] "within 5 seconds, or you are disconnected"
        messages=("window", 100, 1.0),  # [CX] "Messages sent by the client every second per IP"
        messages_per_host=True,
        connects=(("bucket", 20, 8.0),),  # [CX] "Requests per second per IP: 8", bursts of 20
        ban_s=5.0,
    ),
    "bybit": Rules(
        topics_per_request=10,  # [BY] "Spot can input up to 10 args for each request"
        topic_bytes_per_connection=21_000,  # [BY] "length of args array over 21,000 characters"
        connects=(("window", 500, 300.0),),  # [BY] "500 connections in 5 minutes"
        open_connections=1000,  # [BY] "1,000 connections per IP", of one market
        client_quiet_s=600.0,  # [BY] cut after 10 minutes without a ping
        ban_s=600.0,  # [BY] "banned for 10 minutes", 403
        ban_status=403,
    ),
    "bitfinex": Rules(
        topics_per_connection=25,  # [BX] "25 channels at the same time"
        connects=(("window", 20, 60.0),),  # [BX] "20 connections per minute", public
        ban_s=60.0,  # [BX] "rate limited for 60 seconds"
    ),
    "deribit": Rules(
        topics_per_request=500,  # [D]
        topics_per_connection=500,  # [D]
        messages=("bucket", 100, 20.0),  # [D] non-matching: 20/s sustained, 100 at once
        subscribes=("bucket", 10, 10 / 3),  # [D] 3,000 credits of 30,000, 10,000 a second back
        open_connections=32,  # [D] "32 connections per IP"
        ping=(10.0, 10.0),  # [D] test_request, at the interval the client set
        ban_s=5.0,
    ),
    "gemini": Rules(
        # Of v2 nothing is published. [G] "public API entry points: 120 requests per minute",
        # and to connect is a request; that a symbol is best asked for but once a minute is
        # advice, no limit.
        connects=(("window", 120, 60.0),),
        ban_s=60.0,  # [G] 429 "until your request rate drops back under the required limit"
    ),
    "bitstamp": Rules(
        topics_per_connection=1024,  # [BI]
        request_bytes=511,  # [BI] frames of less than 512 bytes
        connects=(("window", 400, 1.0),),  # [BI] "400 requests per second", handshakes too
        ping=(54.0, 54.0),  # (*) PING frames
        leave_within_s=5.0,  # (*) after bts:request_reconnect; no time is published
        rest=(10_000, 600.0),  # [BI] "10,000 requests per 10 minutes"
        ban_s=60.0,
    ),
    "crypto-com": Rules(
        topics_per_connection=400,  # [CC] "maximum of 400 subscriptions"
        messages=("window", 100, 1.0),  # [CC] "market data websocket: 100 requests per second"
        messages_pro_rata=True,  # [CC] "pro-rated based on the calendar-second"
        connects=(("window", 100, 60.0),),  # (*) nothing is published
        ping=(30.0, 5.0),  # [CC] public/heartbeat "every 30 seconds … within 5 seconds"
        ban_s=60.0,
    ),
    "hyperliquid": Rules(
        topics_per_host=1000,  # [H] "1000 websocket subscriptions"
        messages=("window", 2000, 60.0),  # [H] "2000 messages … per minute across all"
        messages_per_host=True,
        connects=(("window", 30, 60.0),),  # [H] "30 new websocket connections per minute"
        open_connections=10,  # [H] "10 websocket connections"
        quiet_s=60.0,  # [H] closed if nothing was sent to it "in the last 60 seconds"
        ban_s=60.0,
    ),
    "coinbase-advanced": Rules(
        subscribe_within_s=5.0,  # [CX] "within 5 seconds"
        messages=("window", 8, 1.0),  # [CX] "unauthenticated messages … 8 per second per IP"
        messages_per_host=True,
        connects=(("window", 8, 1.0),),  # [CX] "8 per second per IP address"
        quiet_s=60.0,  # [CX] "channels close within 60-90 seconds if no updates are sent"
        ban_s=5.0,
    ),
    "gateio": Rules(
        open_connections=300,  # [GT] "Number of connections per IP: ≤ 300"
        request_age_s=60.0,  # [GT] "Gap between request time and server time … 60 seconds"
        ping=(10.0, 20.0),  # [GT] "protocol layer ping/pong"; how often is not said (*)
        rest=(200, 10.0),  # [GT] "200r/10s (per endpoint)", by IP; here for all together
        ban_s=10.0,
    ),
    "kucoin": Rules(
        topics_per_connection=300,  # [KC] 300 topics up to 2024, 400 since
        topics_per_request=100,  # [KC] "batch subscriptions at a time: 100 topics"
        messages=("window", 100, 10.0),  # [KC] "100 per 10 seconds"
        messages_count_control=True,
        connects=(("window", 30, 60.0),),  # [KC] "30 per minute"
        open_connections=50,  # [KC] of a user: 50 up to 2024, 800 since; here of an address
        client_ping=(18.0, 10.0),  # [KC] pingInterval and pingTimeout, as announced
        rest=(2000, 30.0),  # [KC] pool "Public", by IP
        ban_s=30.0,  # [KC] "wait until the resource quota is reset"
    ),
    "htx": Rules(
        topics_per_request=1,  # [HT] a `sub` has one topic
        ping=(5.0, 10.0),  # [HT] every 5 s; cut after two without an answer
        rest=(10, 1.0),  # [HT] market data, by IP
        ban_s=5.0,
    ),
    "htx-usdm": Rules(
        topics_per_request=1,
        # [HT] every 5 s; cut after five without an answer, or, as it is said there too, two.
        ping=(5.0, 10.0),
        rest=(120, 3.0),  # [HT] public information, by IP: 120 at first, then 240
        ban_s=5.0,
    ),
    "htx-coinm": Rules(  # as the other
        topics_per_request=1,
        ping=(5.0, 10.0),
        rest=(120, 3.0),
        ban_s=5.0,
    ),
    "bitmex": Rules(
        # [BM] "Previously 40 connections per hour. Now 60"; of the 40 there is a record.
        connects=(("window", 40, 3600.0),),
        rest=(30, 60.0),  # [BM] "Unauthenticated limit remains 30 requests per minute"
        ban_s=60.0,
    ),
    "kraken-v1": Rules(  # as Kraken's v2: the same servers
        subscribes=("bucket", 15, 1.0),
        connects=(("window", 150, 600.0),),
        ban_s=600.0,
    ),
}


def rules_of(family: str, changes: dict[str, Any]) -> Rules:
    """Return the family's rules; *changes* scale windows down for tests that have no hours."""
    return msgspec.convert({**msgspec.structs.asdict(RULES[family]), **changes}, Rules)

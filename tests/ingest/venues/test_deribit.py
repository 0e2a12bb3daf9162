import json

import pytest

from ingest.errors import DecodeError
from ingest.venues.base import Ack, Answer, Data, Ignored, Inbound, Reject
from ingest.venues.deribit import VENUE

# Entries of DERIBIT.symbols.0.gz, cf-20210405; the last three have the shape of
# today's listing and values of our own.
LISTED = b"""{"jsonrpc":"2.0","result":[\
{"tick_size":0.0005,"taker_commission":0.0003,"strike":40000.0,"settlement_period":"month",\
"quote_currency":"USD","option_type":"put","min_trade_amount":0.1,"maker_commission":0.0003,\
"kind":"option","is_active":true,"instrument_name":"BTC-24SEP21-40000-P",\
"expiration_timestamp":1632470400000,"creation_timestamp":1606129458000,"contract_size":1.0,\
"block_trade_commission":0.00015,"base_currency":"BTC"},\
{"tick_size":0.05,"taker_commission":0.0005,"settlement_period":"month","quote_currency":"USD",\
"min_trade_amount":1,"max_liquidation_commission":0.009,"max_leverage":50,\
"maker_commission":0.0,"kind":"future","is_active":true,"instrument_name":"ETH-24SEP21",\
"expiration_timestamp":1632470400000,"creation_timestamp":1608883716000,"contract_size":1,\
"block_trade_commission":0.0001,"base_currency":"ETH"},\
{"kind":"future","instrument_name":"SOL_USDC-PERPETUAL","tick_size":0.01},\
{"kind":"spot","instrument_name":"BTC_USDC","is_active":false},\
{"kind":"future_combo","instrument_name":"BTC-FS-27DEC24_PERP"}]}"""
SUMMARY = b"""{"jsonrpc":"2.0","result":[\
{"instrument_name":"ETH-24SEP21","volume":12.5,"volume_usd":31000.0,"volume_notional":31010.0},\
{"instrument_name":"BTC-24SEP21-40000-P","volume":1.0,"volume_usd":4100.5}]}"""


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            # From cf-20210405, shortened.
            b'{"jsonrpc":"2.0","id":0,"result":["trades.ETH-9APR21-1950-C.raw"],'
            b'"usIn":1617644856930085,"usOut":1617644856931122,"usDiff":1037,"testnet":false}',
            Ack(0, ("trades.ETH-9APR21-1950-C.raw",)),
        ),
        (
            b'{"jsonrpc":"2.0","id":4,"result":[]}',
            Reject("none of the channels exists", request_id=4),
        ),
        (
            b'{"jsonrpc":"2.0","id":4,"error":{"message":"Invalid params","data":'
            b'{"reason":"wrong format","param":"channels"},"code":-32602},"testnet":false}',
            Reject("Invalid params", code="-32602", request_id=4),
        ),
        (
            b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}',
            Ignored("heartbeat"),
        ),
        (b'{"jsonrpc":"2.0","id":0,"result":"ok"}', Ignored("answer to set_heartbeat or test")),
        (
            b'{"jsonrpc":"2.0","id":0,"result":{"version":"1.2.26"}}',
            Ignored("answer to set_heartbeat or test"),
        ),
    ],
)
def test_control_frames(frame: bytes, expected: Inbound) -> None:
    """An acceptance names its channels; one that names none is a refusal."""
    assert VENUE.parser()(frame) == expected


def test_heartbeats() -> None:
    """They are asked for when a connection opens; the venue's question is answered."""
    (opening,) = VENUE.opening
    assert json.loads(opening)["method"] == "public/set_heartbeat"

    answer = VENUE.parser()(
        b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    )

    assert isinstance(answer, Answer)
    assert json.loads(answer.payload)["method"] == "public/test"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"pong", "bad_json"),
        (b'{"method":"subscription","params":{"channel":"quote.BTC-PERPETUAL"}}', "missing_field"),
        (b'{"id":1,"result":[1]}', "wrong_type"),
        (b'{"jsonrpc":"2.0","method":"heartbeat"}', "unknown_frame"),
        (b"{}", "unknown_frame"),
    ],
)
def test_broken_frames(frame: bytes, reason: str) -> None:
    """What is no frame of the protocol is refused, with a word that says how."""
    with pytest.raises(DecodeError) as caught:
        VENUE.parser()(frame)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "row", ['["delete",1.0,2.0]', '["new",1.0,0.0]', '["change",1.0,0]', '["gone",1.0,0.0]']
)
def test_level_that_contradicts_itself(row: str) -> None:
    """A level is deleted by an amount of zero, and by nothing else."""
    payload = (
        '{"type":"change","timestamp":1,"prev_change_id":1,"instrument_name":"BTC-PERPETUAL",'
        f'"change_id":2,"bids":[{row}],"asks":[]}}'
    )
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder("book")(Data("book.BTC-PERPETUAL.100ms", payload.encode()), 1)

    assert caught.value.reason == "bad_value"


def test_payload_of_another_instrument() -> None:
    """A name that merely begins alike is another one."""
    payload = b'{"timestamp":1,"instrument_name":"BTC-25SEP26"}'
    with pytest.raises(DecodeError) as caught:
        VENUE.decoder("bbo")(Data("quote.BTC-25SEP26-60000-C", payload), 1)

    assert caught.value.reason == "symbol_mismatch"


def test_both_sides_liquidated() -> None:
    """Then there are two forced orders."""
    payload = (
        b'[{"trade_id":"7","trade_seq":1,"timestamp":1,"price":1.5,"instrument_name":"BTC-PERPETUAL",'
        b'"direction":"sell","amount":40.0,"liquidation":"MT"}]'
    )

    events = VENUE.decoder("liquidation")(Data("trades.BTC-PERPETUAL.100ms", payload), 1)

    assert [event.side for event in events] == ["sell", "buy"]


def test_instruments() -> None:
    """Both ways; combinations have no name of ours."""
    assert VENUE.instruments is not None
    assert len(VENUE.instruments.requests) == 5

    found = VENUE.instruments.parse([LISTED, SUMMARY, b'{"result":[]}'])

    assert [(one.name, one.symbol, one.kind) for one in found] == [
        ("BTC-USD-210924-40000-P", "BTC-24SEP21-40000-P", "option"),
        ("ETH-USD-210924", "ETH-24SEP21", "future"),
        ("SOL-USDC-PERP", "SOL_USDC-PERPETUAL", "perpetual"),
        ("BTC-USDC", "BTC_USDC", "spot"),
    ]
    assert [VENUE.to_symbol(one.name) for one in found] == [one.symbol for one in found]
    assert [one.volume for one in found] == ["4100.5", "31010.0", None, None]
    assert (found[0].tick_size, found[0].lot_size, found[0].contract_size) == (
        "0.0005",
        "0.1",
        "1.0",
    )
    assert [one.trading for one in found] == [True, True, True, False]


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [
        ("BTC-USD-PERP", "BTC-PERPETUAL"),
        ("ETH-USD-210409-1950-C", "ETH-9APR21-1950-C"),
        ("XRP-USDC-230630-0.625-P", "XRP_USDC-30JUN23-0d625-P"),
        ("ETH-USDT", "ETH_USDT"),
    ],
)
def test_symbols(instrument: str, symbol: str) -> None:
    """A quote of US dollars is not written; days lose their zero, strikes their point."""
    assert VENUE.to_symbol(instrument) == symbol


@pytest.mark.parametrize(
    "name", ["BTC", "btc-usd", "BTC-USD-SWAP", "BTC-USD-251326", "BTC-USD-250900-1-C"]
)
def test_names_that_cannot_be(name: str) -> None:
    """A name in another form, or of no date, is refused with the forms that fit."""
    with pytest.raises(ValueError, match="BASE-QUOTE-YYMMDD-STRIKE"):
        VENUE.to_symbol(name)


def test_missing_trades() -> None:
    """Asked for by their numbers within the instrument; their ids are the currency's."""
    backfill = VENUE.backfills["trade"]
    assert backfill.field == "seq"
    assert backfill.request("BTC-PERPETUAL", 5, 7).path == (
        "/api/v2/public/get_last_trades_by_instrument?instrument_name=BTC-PERPETUAL"
        "&start_seq=5&end_seq=7&count=3&sorting=asc"
    )
    trade = {"timestamp": 1, "price": 1.5, "instrument_name": "BTC-PERPETUAL"}
    trade |= {"amount": 10.0, "direction": "buy"}
    rows = [{**trade, "trade_seq": seq, "trade_id": f"{seq}0"} for seq in (7, 5)]
    body = json.dumps({"jsonrpc": "2.0", "result": {"trades": rows, "has_more": False}}).encode()

    found = backfill.decode(body, 9)

    assert [(one.seq, one.id, one.backfill) for one in found] == [(5, "50", True), (7, "70", True)]
    with pytest.raises(DecodeError):
        backfill.decode(b'{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params"}}', 9)

"""Numbers with names: close codes, frame flags, libcurl's codes."""

from enum import IntEnum

from wscore._curl_constants import CurlECode, CurlInfo, CurlOpt

__all__ = ["CurlECode", "CurlInfo", "CurlOpt", "CurlWsFlag", "WsCloseCode"]


class CurlWsFlag(IntEnum):
    """What a message is, in the values of libcurl's `CURLWS_*`; combined, they are an int."""

    TEXT = 1
    BINARY = 2
    CONT = 4
    CLOSE = 8
    PING = 16
    OFFSET = 32
    PONG = 64


class WsCloseCode(IntEnum):
    """Registered close codes. Source: RFC 6455, section 7.4.1, and IANA's registry."""

    OK = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005  # never on the wire: the CLOSE had no body
    ABNORMAL_CLOSURE = 1006  # never on the wire: the connection ended without a CLOSE
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015  # never on the wire
    UNAUTHORIZED = 3000
    FORBIDDEN = 3003
    TIMEOUT = 3008

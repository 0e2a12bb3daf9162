"""Keep secrets out of everything that people read: logs, reports, tables.

Pure text in, text out. When in doubt too much is hidden rather than too little.
"""

import re

MASK = "***"

# `scheme://user:password@host`. A number and a slash after the colon are a
# port and a path (`wss://host:9443/ws/btcusdt@trade`), not a password.
_USERINFO = re.compile(r"(://[^\s:/?#@\[]*):(?!\d+/)\S*@")
_QUERY = re.compile(
    r"([?&][^=&\s]*(?:passw|secret|token|api_?key|access_?key|signature)[^=&\s]*=)[^&#\s]+", re.I
)
_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|cookie|(?:api|access|private)_?key",
    re.I,
)


def redact_text(text: str) -> str:
    """Return *text* with the passwords of the URLs in it masked.

    The user's name stays, as does the host: they help to find the mistake.
    """
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\1{MASK}", _USERINFO.sub(rf"\1:{MASK}@", text))


def is_secret_key(key: str) -> bool:
    """Tell whether a value under this key should never be shown."""
    return _SECRET_KEY.search(key) is not None

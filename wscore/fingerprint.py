"""Looking like a certain TLS client: browser targets, JA3 strings, single traits. Pure.

Everything here becomes options of libcurl-impersonate; a libcurl without them
refuses by name. A WebSocket handshake is HTTP/1.1, so that only the TLS side of
a fingerprint is ever on the wire.

Sources: IANA's registry of TLS parameters; JA3, https://github.com/salesforce/ja3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Names without a version mean the newest that the library knows; newest first.
_LATEST = {
    "chrome": ("chrome150", "chrome148", "chrome146", "chrome145", "chrome142", "chrome136",
               "chrome133a", "chrome131"),
    "chrome_android": ("chrome131_android", "chrome99_android"),
    "edge": ("edge101", "edge99"),
    "firefox": ("firefox147", "firefox144", "firefox135", "firefox133"),
    "safari": ("safari2601", "safari260", "safari184", "safari180"),
    "safari_ios": ("safari260_ios", "safari184_ios", "safari180_ios"),
    "tor": ("tor145",),
}  # fmt: skip

_CURVES = {
    21: "P-224",
    23: "P-256",
    24: "P-384",
    25: "P-521",
    29: "X25519",
    256: "ffdhe2048",
    257: "ffdhe3072",
    4588: "X25519MLKEM768",
    25497: "X25519Kyber768Draft00",
}
_CIPHERS = {
    0x000A: "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
    0x003C: "TLS_RSA_WITH_AES_128_CBC_SHA256",
    0x003D: "TLS_RSA_WITH_AES_256_CBC_SHA256",
    0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x009D: "TLS_RSA_WITH_AES_256_GCM_SHA384",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC008: "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC012: "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC027: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}
# libcurl's CURL_SSLVERSION_* for the version that a ClientHello claims.
_VERSIONS = {769: 4, 770: 5, 771: 6, 772: 7}
_MAX_DEFAULT = 1 << 16
_PADDING = 21

Options = list[tuple[str, str | int]]  # names of libcurl options without CURLOPT_


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraFingerprints:
    """Single traits, over a target or a JA3 string. None or "": leave as it is."""

    tls_min_version: int | None = None  # one of libcurl's CURL_SSLVERSION_*
    tls_grease: bool | None = None
    tls_permute_extensions: bool | None = None
    tls_cert_compression: str | None = None  # "zlib", "brotli", "zstd", with commas
    tls_signature_algorithms: Sequence[str] | None = None
    tls_delegated_credential: str = ""
    tls_record_size_limit: int = 0
    header_order: str | None = None
    # Of HTTP/2, HTTP/3 and forms: taken, and without effect on a WebSocket.
    http2_stream_weight: int | None = None
    http2_stream_exclusive: int | None = None
    http2_no_priority: bool = False
    split_cookies: bool | None = None
    form_boundary: str | bool | None = None
    http3_sig_hash_algs: str | None = None
    http3_tls_extension_order: str | None = None

    def options(self) -> Options:
        """Return what they set."""
        wanted: Options = []
        if self.tls_min_version is not None:
            wanted.append(("SSLVERSION", self.tls_min_version | _MAX_DEFAULT))
        if self.tls_grease is not None:
            wanted.append(("TLS_GREASE", int(self.tls_grease)))
        if self.tls_permute_extensions is not None:
            wanted.append(("SSL_PERMUTE_EXTENSIONS", int(self.tls_permute_extensions)))
        if self.tls_cert_compression is not None:
            wanted.append(("SSL_CERT_COMPRESSION", self.tls_cert_compression))
        if self.tls_signature_algorithms:
            wanted.append(("SSL_SIG_HASH_ALGS", ",".join(self.tls_signature_algorithms)))
        if self.tls_delegated_credential:
            wanted.append(("TLS_DELEGATED_CREDENTIALS", self.tls_delegated_credential))
        if self.tls_record_size_limit:
            wanted.append(("TLS_RECORD_SIZE_LIMIT", self.tls_record_size_limit))
        if self.header_order:
            wanted.append(("HTTPHEADER_ORDER", self.header_order))
        return wanted


def extra_options(extra: ExtraFingerprints | Mapping[str, Any]) -> Options:
    """Return what *extra* sets; a mapping's keys are the fields' names.

    Raises:
        TypeError: an unknown key.
    """
    return (extra if isinstance(extra, ExtraFingerprints) else ExtraFingerprints(**extra)).options()


def targets_for(name: str) -> tuple[str, ...]:
    """Return the library's targets to try for *name*, in order."""
    return _LATEST.get(name, (name,))


def ja3_options(ja3: str, *, permute: bool = False) -> Options:
    """Return what makes a ClientHello like that of a JA3 string.

    *permute*: leave the extensions' order to chance, as newer browsers do.

    Raises:
        ValueError: not a JA3 string, or one with parts that cannot be had.
    """
    fields = ja3.split(",")
    if len(fields) != 5:
        raise ValueError(f"ja3: expected 5 fields between commas, found {len(fields)}: {ja3!r}")
    try:
        [version], ciphers, extensions, curves, formats = (
            [int(number) for number in text.split("-") if number] for text in fields
        )
    except ValueError:
        raise ValueError(f"ja3: expected numbers between dashes and commas: {ja3!r}") from None
    if formats != [0]:
        raise ValueError(f"ja3: the only point format that can be had is 0, not {formats}")
    options: Options = [
        ("SSLVERSION", _known(_VERSIONS, version, "TLS version") | _MAX_DEFAULT),
        ("SSL_CIPHER_LIST", ":".join(_known(_CIPHERS, item, "cipher") for item in ciphers)),
        ("SSL_EC_CURVES", ":".join(_known(_CURVES, item, "curve") for item in curves)),
    ]
    if not permute:
        # Whether to pad is the TLS library's to decide.
        order = "-".join(str(item) for item in extensions if item != _PADDING)
        options.append(("TLS_EXTENSION_ORDER", order))
    present = set(extensions)
    for number, name, value in _SWITCHED_ON:
        if number in present:
            options.append((name, value))
    for number, name in _SWITCHED_OFF:
        if number not in present:
            options.append((name, 0))
    return options


# Extensions that are not sent unless asked for, and those that are unless forbidden.
_SWITCHED_ON: tuple[tuple[int, str, str | int], ...] = (
    (5, "TLS_STATUS_REQUEST", 1),
    (18, "TLS_SIGNED_CERT_TIMESTAMPS", 1),
    (27, "SSL_CERT_COMPRESSION", "brotli"),
    (17513, "SSL_ENABLE_ALPS", 1),
    (17613, "SSL_ENABLE_ALPS", 1),
    (17613, "TLS_USE_NEW_ALPS_CODEPOINT", 1),
    (65037, "ECH", "grease"),
)
_SWITCHED_OFF = ((16, "SSL_ENABLE_ALPN"), (35, "SSL_ENABLE_TICKET"))


def _known(table: Mapping[int, Any], number: int, what: str) -> Any:
    if number not in table:
        raise ValueError(f"ja3: {what} {number} ({number:#06x}) cannot be had")
    return table[number]

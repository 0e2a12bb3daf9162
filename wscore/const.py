"""The numbers with names, where curl_cffi has them: `wscore.const` for `curl_cffi.const`."""

from wscore.codes import CurlECode, CurlInfo, CurlOpt, CurlWsFlag

__all__ = ["CurlECode", "CurlInfo", "CurlOpt", "CurlWsFlag"]

"""Which venue a request path means. Pure."""

from collections.abc import Mapping

from ingest.replay.dialects.base import Dialect


def route(path: str, served: Mapping[str, Dialect]) -> tuple[str, str] | None:
    """Return the venue's name and the path as that venue knows it; None for neither.

    In this order: an explicit `/{venue}/…`; the venue with the longest matching
    path prefix; the only venue there is.
    """
    first, _, rest = path.removeprefix("/").partition("/")
    if first in served:
        return first, f"/{rest}"
    matches = [
        (len(prefix), name)
        for name, dialect in served.items()
        for prefix in dialect.paths
        if path == prefix or path.startswith(f"{prefix}/")
    ]
    if matches:
        # Of venues with the same paths the first served has them; the others are
        # reached by their explicit prefix.
        longest = max(length for length, _ in matches)
        return next(name for length, name in matches if length == longest), path
    if len(served) == 1:
        return next(iter(served)), path
    return None


def ws_path(name: str, served: Mapping[str, Dialect]) -> str:
    """Return the path under which clients reach this venue's WebSocket."""
    path = served[name].ws_path
    return path if route(path, served) == (name, path) else f"/{name}{path}"


def rest_base(name: str, served: Mapping[str, Dialect]) -> str:
    """Return what precedes the venue's own REST paths: nothing, or its prefix."""
    shared = any(
        prefix in dialect.paths
        for other, dialect in served.items()
        if other != name
        for prefix in served[name].paths
    )
    return f"/{name}" if shared else ""

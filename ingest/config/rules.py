"""The rules that look at more than one value of a section, or at a venue's limits."""

from ingest import codecs, venues
from ingest.config.document import Table
from ingest.config.leaves import check_key
from ingest.config.problems import choose
from ingest.config.reader import INVALID, Section


def check_reconnect(section: Section) -> None:
    """The cap cannot lie under the base."""
    base_s, cap_s = section.get("base_s"), section.get("cap_s")
    if base_s is None or cap_s is None or cap_s >= base_s:
        return
    if section.given("cap_s"):
        section.report("cap_s", f"is {section.shown('cap_s')}; use no less than base_s")
    else:
        section.report(
            "base_s", f"is {section.shown('base_s')}; use no more than cap_s, which is {cap_s:g}"
        )


def check_redis(section: Section) -> None:
    """A template of keys has the encoding's placeholders; without one, the encoding's own holds.

    Only a server of the user's own can have replicas.
    """
    no_url = section.fields.get("url") is None  # INVALID is somebody's attempt at one
    if section.get("wait") is not None and no_url:
        section.report(
            "wait", "is for a server with replicas, and the embedded one has none; give redis.url"
        )
    encoding = section.get("encoding")
    if encoding is None:
        return
    form = codecs.encoder(encoding).keys
    if not section.given("key"):
        section.fields["key"] = form.default
        return
    template = section.get("key")
    if template is None:
        return
    try:
        check_key(template, form)
    except ValueError as exc:
        section.report("key", f"is {section.shown('key')}; {exc}")
        section.fields["key"] = INVALID


def check_venue(section: Section) -> None:
    """A venue's limit can be lowered only. The last part of the path is the venue's name."""
    name = section.path.removeprefix("venues.")
    if name not in venues.names():
        return
    limits = venues.get(name).limits
    for key, limit in (
        ("topics_per_connection", limits.topics_per_connection),
        ("max_age_s", limits.max_age_s),
    ):
        wanted = section.get(key)
        if wanted is not None and limit is not None and wanted > limit:
            section.report(key, f"is {section.shown(key)}; {name} allows at most {limit:g}")


def check_venue_names(section: Section) -> None:
    """Every key under `venues` is a venue."""
    table = section.table.entries.get("venues")
    if not isinstance(table, Table):
        return
    for name in table.entries:
        if name not in venues.names():
            section.problems.add(
                table.key_lines[name],
                f"venues.{name} is not a known venue; {choose(name, venues.names())}",
            )

"""What a field accepts, in words: the same in reports and in docs/config.md."""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct, structs

from ingest.config.leaves import Leaf
from ingest.config.problems import one_of


def is_struct(hint: Any) -> bool:
    """Tell whether values of this type are mappings with known keys."""
    return isinstance(hint, type) and issubclass(hint, Struct)


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union; of anything else, itself."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def leaf_of(hint: Any) -> Leaf | None:
    """Return the `Leaf` of an annotation, if it has one."""
    return next((part for part in get_args(hint)[1:] if isinstance(part, Leaf)), None)


def accepts(hint: Any) -> str:
    """Complete "use …" for a type: "a whole number from 1 to 9", "true or false"."""
    options = alternatives(hint)
    if len(options) > 1:
        return ", or ".join(accepts(option) for option in options)
    leaf = leaf_of(hint)
    if leaf is not None:
        return leaf.accepts
    origin = get_origin(hint)
    if origin is Annotated:
        base, *rest = get_args(hint)
        return accepts(base) + "".join(_bounds(part) for part in rest if isinstance(part, Meta))
    if origin is Literal:
        return one_of(str(value) for value in get_args(hint))
    if origin is tuple:
        of = get_args(hint)[0]
        if leaf_of(of) is not None:
            return "a list of such"
        return f"a list of {'mappings' if is_struct(of) else 'names'}"
    if origin is dict:
        return "a mapping of names"
    if is_struct(hint):
        return f"a mapping with {', '.join(keys(hint))}"
    simple = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
    return "null" if hint is NoneType else simple[hint]


def keys(struct: type[Struct]) -> list[str]:
    """Return the keys that a mapping of this kind may have in the file."""
    return [found.encode_name for found in structs.fields(struct)]


def _bounds(meta: Meta) -> str:
    low = f" above {meta.gt:,}" if meta.gt is not None else ""
    if meta.ge is not None:
        return f" from {meta.ge:,} to {meta.le:,}" if meta.le is not None else f" from {meta.ge:,}"
    return f"{low}, at most {meta.le:,}" if meta.le is not None else low

"""Values that pydantic would turn into numbers although they were hardly meant as such."""

import re
import types
import typing
from collections.abc import Mapping
from typing import Any


def number_problem(annotation: Any, value: object) -> str | None:
    """Say what is wrong with a value where a number is expected: `true` or `false`, or text with an underscore.

    YAML reads `yes` as true, which pydantic takes for 1; and Python reads the text `1_6` as 16. annotation: type of the
    setting; its numbers inside lists, tuples and mappings are checked too. Returns None if there is nothing to say.
    """
    kinds = _alternatives(annotation)
    if isinstance(value, bool):
        wanted = any(map(_is_number, kinds)) and bool not in kinds
        return f"found {str(value).lower()}; expected a number" if wanted else None
    if isinstance(value, str):
        wanted = (int in kinds or float in kinds) and str not in kinds and "_" in value
        if wanted and re.fullmatch(r"[-+]?[0-9._eE+-]+", value.strip()):
            return f"found {value!r}; expected a number without underscores"
        return None
    return next(filter(None, (_problem_inside(kind, value) for kind in kinds)), None)


def _problem_inside(kind: Any, value: object) -> str | None:
    """Problem of an entry of a list, a tuple or a mapping."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if not arguments:
        return None
    found: list[str | None] = []
    if origin is dict and isinstance(value, Mapping):
        found = [number_problem(arguments[0], key) for key in value]
        found += [number_problem(arguments[1], entry) for entry in value.values()]
    elif origin in (list, tuple) and isinstance(value, (list, tuple)):
        own = arguments if origin is tuple and Ellipsis not in arguments else (arguments[0],) * len(value)
        found = [number_problem(part, entry) for part, entry in zip(own, value, strict=False)]
    return next(filter(None, found), None)


def _alternatives(annotation: Any) -> list[Any]:
    """The types of a union, without annotations; any other type alone."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in _alternatives(part)]
    return [annotation]


def _is_number(kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return any(isinstance(value, int) and not isinstance(value, bool) for value in typing.get_args(kind))
    return kind in (int, float)

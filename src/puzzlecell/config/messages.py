"""Readable validation messages that name the key and suggest the nearest known one."""

import difflib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


def readable_problems(
    error: ValidationError, model: type[BaseModel], prefix: Callable[[list], str] = lambda location: ""
) -> list[str]:
    """Return one line per problem that pydantic found in `model`: where, what was found, what was expected.

    prefix: maps a location (list of keys) to the place in the file of the section that contains it.
    """
    lines = []
    entries = [(entry, _keys(model, entry["loc"])) for entry in error.errors()]
    for entry, location in entries:
        if _of_other_alternative(entry, location, entries):
            continue
        if entry["type"] == "extra_forbidden" and location[-1:] != [entry["loc"][-1]]:
            # An unknown key that looks like one of pydantic's marks.
            location = [*location, entry["loc"][-1]]
        place = ".".join(filter(None, [prefix(location), *map(str, location)]))
        if entry["type"] == "extra_forbidden":
            known = _known_keys(model, location[:-1])
            lines.append(f"{place}: unknown key{nearest(str(location[-1]), known)}")
        elif entry["type"] == "missing":
            lines.append(f"{place}: this key is required, but missing")
        elif entry["type"] == "value_error":
            lines.append(f"{place}: {entry['ctx']['error']}" if place else str(entry["ctx"]["error"]))
        else:
            lines.append(f"{place}: found {entry['input']!r}; {_lower(entry['msg'])}")
    return lines


def _keys(model: type[BaseModel], location: Sequence[int | str]) -> list[int | str]:
    """The keys in the file that lead to an error.

    Between them, pydantic inserts marks such as "dict[str,any]" or "[key]", and the name of a section that is one of
    several alternatives.
    """
    keys: list[int | str] = []
    annotation: Any = model
    for part in location:
        section = _section_in(annotation)
        if _is_mark(part) or (keys and section is not None and part == section.__name__):
            continue
        keys.append(part)
        annotation = _inside(annotation, part)
    return keys


def _of_other_alternative(entry: Any, location: list, entries: Sequence[tuple[Any, list]]) -> bool:
    """Whether an error is about an alternative that was not meant: a name where a section was given, or vice versa."""
    given_section = isinstance(entry["input"], Mapping)
    if entry["type"] == "literal_error" and given_section:
        return any(other[: len(location)] == location and other != location for _, other in entries)
    if entry["type"] == "model_type" and not given_section:
        return any(other["type"] == "literal_error" and place == location for other, place in entries)
    return False


def _is_mark(part: object) -> bool:
    return isinstance(part, str) and (
        "[" in part or part in {"bool", "str", "int", "float"} or part.startswith("function-")
    )


def _known_keys(model: Any, location: list) -> list[str]:
    """Keys of the section at `location` inside `model`, determined from its annotations."""
    annotation: Any = model
    for part in location:
        annotation = _inside(annotation, part)
    section = _section_in(annotation)
    return [] if section is None else [field.alias or name for name, field in section.model_fields.items()]


def _inside(annotation: Any, part: object) -> Any:
    section = _section_in(annotation)
    if section is not None and part in section.model_fields:
        return section.model_fields[part].annotation
    for candidate in (annotation, *typing.get_args(annotation)):
        arguments = typing.get_args(candidate)
        if typing.get_origin(candidate) in (dict, list, tuple) and arguments:
            return arguments[-1] if typing.get_origin(candidate) is dict else arguments[0]
    return None


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        found = [_section_in(argument) for argument in typing.get_args(annotation)]
        return next((section for section in found if section is not None), None)
    return None


def nearest(name: object, known: typing.Iterable[str]) -> str:
    """Return a hint to append to an unknown name: the nearest known name, or else all of them."""
    known = [str(key) for key in known]
    matches = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    if matches:
        return f"; did you mean {matches[0]}?"
    return f"; known names: {', '.join(known)}" if known else ""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

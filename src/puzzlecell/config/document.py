"""Generate the page docs/configuration.md from the settings.

Run: python -m puzzlecell.config.document > docs/configuration.md
"""

import inspect
import re
import types
import typing
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from puzzlecell.config.base import ClassLimit
from puzzlecell.config.results import decides
from puzzlecell.config.workflow import Configuration

HEAD = """# Configuration

All keys of a configuration file. Keys that are left out keep their default; unknown keys, keys that occur twice, and
numbers that are infinite or not a number are errors. All problems of a configuration are reported together, before
anything runs. Changing a setting rebuilds the results that depend on it;
settings marked * affect no result, so changing them rebuilds nothing.

A field is one field of view, stored as four greyscale images: red (microtubules), green (the protein of interest), blue
(nuclei) and yellow (endoplasmic reticulum).

The keys `network`, `input`, `seed` and `training` of a model, and `training` of a stage, override single keys of the
section `training` for that model or stage. Editors can complete and check keys with the schema in `config/schema.json`,
which `puzzlecell schema` prints.

This page is generated: `python -m puzzlecell.config.document > docs/configuration.md`.
"""


def document() -> str:
    """Return the page as Markdown: one table per section, each followed by its nested sections."""
    parts = [HEAD]
    waiting: list[tuple[str, type[BaseModel]]] = [("", Configuration)]
    seen: set[tuple[str, type[BaseModel]]] = set()
    while waiting:
        place, section = waiting.pop(0)
        if (place, section) in seen:
            continue
        seen.add((place, section))
        rows, inner = _rows(place, section)
        waiting = inner + waiting
        title = f"`{place}`" if place else "Top level"
        parts += [f"## {title}\n", f"{inspect.cleandoc(section.__doc__ or '')}\n"]
        parts += ["| key | default | values | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(parts).rstrip() + "\n"


def _rows(place: str, section: type[BaseModel]) -> tuple[list[str], list[tuple[str, type[BaseModel]]]]:
    rows, inner = [], []
    for name, field in section.model_fields.items():
        path = f"{place}.{name}" if place else name
        found = [(path + suffix, model) for suffix, model in _sections(field.annotation)]
        inner += found
        text = field.description or (_first_sentence(found[0][1].__doc__) if found else "")
        choices = section.model_json_schema()["properties"][name].get("enum", [])
        values = _values(field) or ", ".join(f"`{choice}`" for choice in choices)
        star = "" if decides(field) else " *"
        rows.append(f"| `{name}`{star} | {_default(field)} | {values} | {_one_line(text)} |")
    return rows, inner


def _first_sentence(text: str | None) -> str:
    """The text up to its first full stop, which may be several lines down."""
    return re.split(r"(?<=\.)\s", inspect.cleandoc(text or ""), maxsplit=1)[0]


def _one_line(text: str) -> str:
    """The text on one line, escaped for a Markdown table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "`null`" if value is None else f"`{list(value) if isinstance(value, tuple) else value}`"


def _values(field: FieldInfo) -> str:
    options = [f"`{option}`" for option in _literals(field.annotation)]
    if field.annotation == ClassLimit:
        options.insert(0, "a number ≥ 1")
    signs = {
        Ge: ("ge", "≥"),
        Gt: ("gt", ">"),
        Le: ("le", "≤"),
        Lt: ("lt", "<"),
        MultipleOf: ("multiple_of", "multiple of"),
    }
    limits = [
        f"{sign} {getattr(mark, attribute):.10g}"
        for mark in field.metadata
        for kind, (attribute, sign) in signs.items()
        if isinstance(mark, kind)
    ]
    return ", ".join(options + limits)


def _literals(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [value for part in typing.get_args(annotation) for value in _literals(part)]
    return []


def _sections(annotation: Any) -> list[tuple[str, type[BaseModel]]]:
    """Sections inside an annotation, each with the suffix that its place adds to the key, such as `.<name>` or `[]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [("", annotation)]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return [(f".<name>{suffix}", model) for suffix, model in _sections(arguments[1])]
    if origin in (list, tuple) and arguments:
        return [(f"[]{suffix}", model) for suffix, model in _sections(arguments[0])]
    return [found for part in arguments for found in _sections(part)]


if __name__ == "__main__":
    print(document(), end="")

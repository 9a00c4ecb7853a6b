"""The configuration that `puzzlecell predict` writes, and what happens to one that was changed by hand."""

import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.messages import first_few

_MARK = "# sha256 of the lines below: "
_TITLE = "# Written by `puzzlecell predict`, which asks before it replaces your changes to this file.\n"


class Edited(StrEnum):
    """What to do with a configuration that was changed by hand."""

    KEEP = "keep"
    REPLACE = "replace"


def configuration_text(values: Mapping[str, Any]) -> str:
    """A configuration as YAML, below a checksum that shows later whether it was changed."""
    body = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)
    return f"{_TITLE}{_MARK}{hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def is_untouched(text: str) -> bool:
    """Whether a file is as `configuration_text` wrote it."""
    title, mark, body = [*text.split("\n", 2), "", ""][:3]
    return f"{title}\n" == _TITLE and mark == _MARK + hashlib.sha256(body.encode()).hexdigest()


def earlier_values(path: Path) -> Mapping[str, Any]:
    """Values of a configuration that is there; empty without one, or if it cannot be read."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return values if isinstance(values, Mapping) else {}


def place_configuration(path: Path, values: Mapping[str, Any], edited: Edited | None) -> str:
    """Write the configuration unless it is there already; return what happened, in words.

    edited: what to do with a file that was changed by hand. Raises UserError if there is one and `edited` is None.
    """
    text = configuration_text(values)
    if not path.exists():
        written = "new"
    else:
        before = path.read_text(encoding="utf-8", errors="replace")
        if before == text:
            return "unchanged"
        if is_untouched(before):
            written = f"changed: {first_few(_changes(earlier_values(path), values), 6)}"
        elif edited is None:
            raise UserError(
                f"{path}: was changed by hand. Add --edited keep to run it as it is, or --edited replace to replace "
                "it with one made from the model and the options of this command"
            )
        elif edited is Edited.KEEP:
            return "kept as it was changed by hand"
        else:
            written = "replaced; what was changed by hand is lost"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return written


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(old, new, f"{place}{key}.")
        elif old != new:
            yield f"{place}{key} {_short(old)} -> {_short(new)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 30 else f"{text[:27]}..."

"""Files that a naming pattern matches, as `datasets.<ds>.naming` understands it."""

import re
from collections.abc import Iterable, Sequence

_PARTS = re.compile(r"\{(?P<name>\w+)(?:,(?P<given>(?:[^{}]|\{[^{}]*\})*))?\}|(?P<any>\*)|(?P<text>[^{}*]+)")


def expression(naming: str, words: Sequence[str]) -> re.Pattern:
    """Regular expression of a pattern, with its groups. words: what `{channel}` can be."""
    found = ""
    for part in _PARTS.finditer(naming):
        if part["text"]:
            found += re.escape(part["text"])
        elif part["any"]:
            found += "[^/]*"
        elif part["name"] == "channel":
            # The longest first, so that one word may begin another.
            found += f"(?P<channel>{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})"
        else:
            found += f"(?P<{part['name']}>{part['given'] or '[^/]+'})"
    return re.compile(found)


def matched_files(
    naming: str, id_form: str | None, words: Sequence[str], names: Iterable[str]
) -> dict[str, dict[str, list[str]]]:
    """Return the files of each field, by its ID and by word ("" without words); several files where it is ambiguous."""
    compiled = expression(naming, words)
    groups = [name for name in compiled.groupindex if name != "channel"]
    form = id_form or ("{ID}" if "ID" in groups else "_".join(f"{{{name}}}" for name in groups))
    found: dict[str, dict[str, list[str]]] = {}
    for name in names:
        match = compiled.fullmatch(name)
        if match:
            values = match.groupdict()
            field_id = form.format(**values)
            found.setdefault(field_id, {}).setdefault(values.get("channel", ""), []).append(name)
    return found

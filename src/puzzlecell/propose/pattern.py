"""Files that a naming pattern matches, as `datasets.<ds>.naming` understands it."""

import re
from collections.abc import Iterable, Sequence

from puzzlecell.config.naming import expression


def matched_files(
    naming: str, id_form: str | None, words: Sequence[str], names: Iterable[str]
) -> dict[str, dict[str, list[str]]]:
    """Return the files of each field, by its ID and by word ("" without words); several files where it is ambiguous."""
    compiled = re.compile(expression(naming, {word: word for word in words}))
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

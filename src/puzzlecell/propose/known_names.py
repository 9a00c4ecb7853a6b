"""File names of common microscopes and sources, whose parts are known."""

import re
from collections.abc import Sequence

from puzzlecell.propose.name_parts import Named

_GUID = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_OPERA = re.compile(
    r"(?P<folder>(?:.*/)?)r\d+c\d+f\d+(?P<plane>p\d+)-(?P<channel>ch\d+)(?P<time>sk\d+)(?P<end>(?:fk\d+)?(?:fl\d+)?)"
)
_IMAGEXPRESS = re.compile(
    rf"(?P<folder>(?:.*/)?)(?P<plate>[^/]+)_[A-P]\d{{1,2}}_s\d+_(?P<channel>w\d+?)(?P<guid>(?:{_GUID})?)"
)
_COLOUR = "(?:red|green|blue|yellow)"
_COMPOSITE = re.compile(rf"(?P<folder>(?:.*/)?)[^/]+?_(?P<colours>{_COLOUR}(?:_{_COLOUR})+)")


def known_layout(names: Sequence[str], ending: str) -> Named | None:
    """The pattern of files of Opera and Operetta or ImageXpress, and of colour images of the Human Protein Atlas.

    None if not all files are named so.
    """
    stems = [name.removesuffix(ending) for name in names]
    for expression, build in ((_OPERA, _opera), (_IMAGEXPRESS, _imagexpress), (_COMPOSITE, _composite)):
        found = [match for stem in stems if (match := expression.fullmatch(stem))]
        if len(found) == len(stems):
            return build(found, ending)
    return None


def _opera(found: Sequence[re.Match], ending: str) -> Named:
    folder, groups = _folder(found)
    times, ends = _values(found, "time"), _values(found, "end")
    time = times[0] if len(times) == 1 else "{time,sk[0-9]+}"
    naming = f"{folder}{{row,r[0-9]+}}{{column,c[0-9]+}}{{site,f[0-9]+}}{{plane,p[0-9]+}}-{{channel}}{time}"
    naming += f"{ends[0] if len(ends) == 1 else '*'}{ending}"
    form = "".join(f"{{{name}}}_" for name in groups) + "{row}{column}{site}{plane}"
    questions = []
    if len(_values(found, "plane")) > 1:
        questions.append(
            "several planes (p) of a field: each becomes a field of its own; project them, or keep one"
        )
    if len(times) > 1:
        form += "{time}"
        questions.append("several time points (sk) of a field: each becomes a field of its own")
    return Named(naming, form, tuple(_values(found, "channel")), tuple(questions))


def _imagexpress(found: Sequence[re.Match], ending: str) -> Named:
    folder, groups = _folder(found)
    plates = _values(found, "plate")
    groups += ["plate"] if len(plates) > 1 else []
    plate = "{plate}" if len(plates) > 1 else plates[0]
    guid = "*" if any(_values(found, "guid")) else ""
    naming = f"{folder}{plate}_{{well,[A-P][0-9]+}}_{{site,s[0-9]+}}_{{channel}}{guid}{ending}"
    form = "_".join(f"{{{name}}}" for name in [*groups, "well", "site"])
    return Named(naming, form, tuple(_values(found, "channel")))


def _composite(found: Sequence[re.Match], ending: str) -> Named | None:
    colours = _values(found, "colours")
    if len(colours) != 1:
        return None
    folder, groups = _folder(found)
    question = (
        f"{colours[0]} are the colours of one picture: say in channels which colour of the file is what, counted from "
        "0 in the order red, green, blue"
    )
    return Named(f"{folder}{{{'name' if groups else 'ID'}}}_{colours[0]}{ending}", None, (), (question,))


def _values(found: Sequence[re.Match], group: str) -> list[str]:
    return sorted({match[group] for match in found})


def _folder(found: Sequence[re.Match]) -> tuple[str, list[str]]:
    """Pattern of the folders before the names, and its groups; all names have equally many folders."""
    groups: list[str] = []
    text = ""
    for values in zip(*(match["folder"].split("/")[:-1] for match in found), strict=True):
        if len(set(values)) > 1:
            groups.append(f"folder{len(groups) + 1}" if groups else "folder")
        text += f"{{{groups[-1]}}}/" if len(set(values)) > 1 else f"{values[0]}/"
    return text, groups

"""Parts of file names that could tell the channels of a field apart, and the pattern that follows from one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ONE_FIELD = "all files belong to one field; with more files, the ID may be another part of the names"
"""Remark about a folder of a single field; it is no doubt about that field."""
_SEPARATORS = "_-. "
_TOKENS = re.compile(r"([_\-. ]+)")
_TAIL = re.compile(r"^(.*[0-9])((?:ch|[cdw])\d{1,2}|[A-Za-z]{2,})$", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """A pattern, how IDs are made of its groups (None: as usual), the words for its channel, and what is unclear."""

    naming: str
    id_form: str | None
    words: tuple[str, ...]
    questions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Varying:
    """A part of a pattern that differs between fields. of: `folder`, or `name` for the name of the file."""

    of: str


@dataclass(frozen=True)
class Candidate:
    """A part of the names: its text in each, what comes before and after it, and how it was found."""

    names: Sequence[str]
    before: Sequence[str]
    values: Sequence[str]
    after: Sequence[str]

    @classmethod
    def nothing(cls, names: Sequence[str]) -> "Candidate":
        """No part: each file is a field."""
        empty = [""] * len(names)
        return cls(names, names, empty, empty)

    @property
    def rests(self) -> list[tuple[str, str]]:
        """What names the field in each name."""
        return list(zip(self.before, self.after, strict=True))

    @property
    def naming_key(self) -> tuple[str, ...]:
        """Equal for candidates that divide the files in the same way."""
        return tuple(self.values)


def candidates(names: Sequence[str], ending: str) -> Iterator[Candidate]:
    """Parts that all names have: a folder, a piece between separators counted from either end, the end of the last."""
    split = [_pieces(name, ending) for name in names]
    folders = min(len(pieces[0]) for pieces in split)
    for level in range(folders):
        yield Candidate(
            names,
            ["".join(f"{folder}/" for folder in dirs[:level]) for dirs, _ in split],
            [dirs[level] for dirs, _ in split],
            ["/" + "/".join([*dirs[level + 1 :], "".join(tokens)]) for dirs, tokens in split],
        )
    most = min(len(tokens) for _, tokens in split)
    # Tokens and separators alternate, so tokens have even places, from either end.
    places = dict.fromkeys([*range(-1, -most - 1, -2), *range(0, most, 2)])
    for place in places:
        yield Candidate(
            names,
            [_before(dirs, tokens, place) for dirs, tokens in split],
            [tokens[place] for _, tokens in split],
            ["".join(tokens[place:][1:]) for _, tokens in split],
        )
    tails = [_TAIL.match(tokens[-1]) for _, tokens in split]
    if all(tails):
        yield Candidate(
            names,
            [
                _before(dirs, [*tokens[:-1], tail[1], ""], -1)
                for (dirs, tokens), tail in zip(split, tails, strict=True)
                if tail
            ],
            [tail[2] for tail in tails if tail],
            [""] * len(names),
        )


def template(candidate: Candidate, ending: str) -> Named:
    """The pattern in which a part is the channel, and what varies besides is the ID."""
    split = any(candidate.values)
    starts = list(candidate.before) if split else [text.removesuffix(ending) for text in candidate.before]
    before, groups = _pattern_of(starts, trailing=split)
    after, more = _pattern_of([text.removesuffix(ending) for text in candidate.after], leading=True)
    names = _group_names([part for part in [*before, *after] if isinstance(part, Varying)])
    naming = _named(before, names[:groups]) + "{channel}" * split + _named(after, names[groups:]) + ending
    questions = []
    if any(sign in name for name in candidate.names for sign in "{}*"):
        questions.append("names contain braces or asterisks, which patterns cannot have; rename these files")
    if not groups + more:
        naming = _one_field(naming, split)
        questions.append(ONE_FIELD)
    return Named(naming, None, tuple(sorted(set(candidate.values) - {""})), tuple(questions))


def _one_field(naming: str, split: bool) -> str:
    """A pattern without a group, with the text before the channel, or all of it, as the ID."""
    folder, _, base = naming.rpartition("/")
    start, channel, end = (
        base.partition("{channel}") if split else (base[: base.find(".")], "", base[base.find(".") :])
    )
    kept = start.rstrip(_SEPARATORS)
    text = f"{{ID}}{start[len(kept) :]}{channel}{end}" if kept else base
    return f"{folder}/{text}" if folder else text


def _pieces(name: str, ending: str) -> tuple[list[str], list[str]]:
    *folders, base = name.split("/")
    return folders, _TOKENS.split(base.removesuffix(ending))


def _before(folders: Sequence[str], tokens: Sequence[str], place: int) -> str:
    return "".join(f"{folder}/" for folder in folders) + "".join(tokens[:place])


def _pattern_of(
    texts: Sequence[str], *, trailing: bool = False, leading: bool = False
) -> tuple[list[str | Varying], int]:
    """Literal texts and varying parts of texts with equally many slashes, and the number of the latter.

    trailing, leading: keep separators at the end or beginning, which all texts share, as literal text.
    """
    levels = list(zip(*(text.split("/") for text in texts), strict=True))
    parts: list[str | Varying] = []
    for number, values in enumerate(levels):
        parts += ["/"] if number else []
        if len(set(values)) == 1:
            parts += [values[0]] if values[0] else []
            continue
        end = (
            _shared([value[::-1] for value in values])[::-1] if trailing and number == len(levels) - 1 else ""
        )
        start = _shared(values) if leading and number == 0 else ""
        varying = Varying("name" if number == len(levels) - 1 else "folder")
        parts += [*([start] if start else []), varying, *([end] if end else [])]
    return parts, sum(isinstance(part, Varying) for part in parts)


def _group_names(parts: Sequence[Varying]) -> list[str]:
    """`ID` for a single part, else `folder`, `folder2`, `name` and so on."""
    if len(parts) == 1:
        return ["ID"]
    kinds = [part.of for part in parts]
    before = [kinds[:place].count(kind) for place, kind in enumerate(kinds)]
    return [
        kind if number == 0 else f"{kind}{number + 1}" for kind, number in zip(kinds, before, strict=True)
    ]


def _shared(values: Sequence[str]) -> str:
    """Separators that all texts begin with."""
    starts = {value[: len(value) - len(value.lstrip(_SEPARATORS))] for value in values}
    shortest = min(starts, key=len)
    return shortest if all(start.startswith(shortest) for start in starts) else ""


def _named(parts: Sequence[str | Varying], names: Sequence[str]) -> str:
    left = iter(names)
    return "".join(part if isinstance(part, str) else f"{{{next(left)}}}" for part in parts)

"""The column Label of a label table: class numbers, or names of classes or locations."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from puzzlecell.data.class_names import ClassNames
from puzzlecell.data.text_tables import quoted
from puzzlecell.runtime.messages import first_few

_NUMBER = "[0-9]{1,9}"
_LISTED = re.compile(rf"{_NUMBER}(?: *\| *{_NUMBER})*").fullmatch
_IN_BRACKETS = re.compile(rf"\[ *{_NUMBER}(?: *, *{_NUMBER})* *\]").fullmatch
_NUMBERS = re.compile(_NUMBER).findall
NUMBERS = "class numbers such as 0|16 or [0, 16]"


@dataclass
class FoundLabels:
    """Labels as read from a table.

    hot: (N, C) uint8 of 0 and 1. form: how they are written. problems: one text per row that is wrong. without: names
    without a class -> how many fields have them.
    """

    hot: np.ndarray
    form: str
    problems: list[str] = field(default_factory=list)
    without: Counter[str] = field(default_factory=Counter)


def labels_from_values(path, table: pd.DataFrame, names: ClassNames, what: str = "field") -> FoundLabels:
    """Read the column Label of a table (index: numbers of the lines).

    Numbers (`0|16`, `[0, 16]`) or names (`Nucleoplasm|Cytosol`, also separated by `;` or `,`): what at least half of
    the rows have is expected of all. what: a row is about, for messages.
    """
    # Few values of a table differ.
    codes, values = pd.factorize(table["Label"])
    texts = values.tolist()
    numbers = [parse_numbers(text) for text in texts]
    rows = np.bincount(codes, minlength=len(texts))
    numeric = sum(count for count, found in zip(rows.tolist(), numbers, strict=True) if found)
    if 2 * numeric >= len(table):
        form = "class numbers in the column Label"
        found = [
            _checked(text, given, len(names.classes)) for text, given in zip(texts, numbers, strict=True)
        ]
    else:
        found = [_named(text, names) for text in texts]
        plain = all(names.is_class(name) for text in texts for name in names.split(text))
        form = f"names of {'classes' if plain else 'locations'} in the column Label"
    hot = np.zeros((len(texts), len(names.classes)), np.uint8)
    result = FoundLabels(hot, form)
    for row, (classes, without, _) in enumerate(found):
        hot[row, classes] = 1
        for name in without:
            result.without[name] += int(rows[row])
    wrong = np.array([problem != "" for _, _, problem in found])
    for row in np.flatnonzero(wrong[codes]).tolist():
        problem = found[codes[row]][2]
        result.problems.append(
            f"{path}: line {table.index[row]}: {what} {table['ID'].iloc[row]} has {problem}"
        )
    result.hot = hot[codes]
    return result


def parse_numbers(text: str) -> list[int]:
    """Class numbers of a label; empty unless it consists of plain decimal integers. A class may be named twice."""
    text = text.strip(" ")
    return [int(number) for number in _NUMBERS(text)] if _LISTED(text) or _IN_BRACKETS(text) else []


Parsed = tuple[list[int], list[str], str]
"""Classes of a label, names in it without a class, and what is wrong with it, or ""."""


def _checked(text: str, numbers: Sequence[int], classes: int) -> Parsed:
    unknown = [number for number in numbers if number >= classes]
    if not numbers:
        return [], [], f"label {quoted(text)}; expected {NUMBERS}"
    if unknown:
        return [], [], f"unknown label {first_few(unknown)}; expected 0 to {classes - 1}"
    return list(numbers), [], ""


def _named(text: str, names: ClassNames) -> Parsed:
    parts = list(dict.fromkeys(names.split(text)))
    if parts == [""]:
        return [], [], "no label; expected the name of a class"
    unknown = next((part for part in parts if not names.is_known(part)), None)
    if unknown == "":
        return [], [], f"label {quoted(text)}, in which a name is missing"
    if unknown is not None:
        what = f"label {quoted(text)}" + (f", in which {quoted(unknown)}" if len(parts) > 1 else ", which")
        return [], [], f"{what} is no class and no location; {names.hint(unknown)}"
    found = {part: names.index(part) for part in parts}
    without = [part for part, index in found.items() if index is None]
    return [index for index in found.values() if index is not None], without, ""

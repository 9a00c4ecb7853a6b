"""The columns of a table of cells, `results/cells/<ds>.parquet`, by what they hold."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from puzzlecell.data.image_table import RESERVED, metadata_problem
from puzzlecell.data.tables import probability_columns

CALLS = "calls"


@dataclass(frozen=True)
class AnswerColumns:
    """Names of columns. probabilities, calibrated: one per class, the latter empty without a calibration.

    cell: what is known of the cell itself, without `ID`, `cell` and `calls`. metadata: of the field, texts.
    """

    probabilities: tuple[str, ...]
    calibrated: tuple[str, ...]
    cell: tuple[str, ...]
    metadata: tuple[str, ...]
    calls: bool


def answer_columns(names: Sequence[str], classes: int) -> AnswerColumns:
    """Sort the columns of a table of cells. Raises ValueError if it has no probabilities of exactly these classes."""
    expected = probability_columns(classes)
    found = [name for name in names if name[:1] == "p" and name[1:].isdigit()]
    if found != expected:
        raise ValueError(f"probabilities of {len(found)} classes, but the class table has {classes}")
    calibrated = [f"c{name[1:]}" for name in expected]
    return AnswerColumns(
        tuple(expected),
        tuple(calibrated) if set(calibrated) <= set(names) else (),
        tuple(name for name in names if name in RESERVED and name not in ("ID", "cell", CALLS)),
        tuple(name for name in names if metadata_problem(name) is None),
        CALLS in names,
    )


def free_names(wanted: Iterable[str], taken: Collection[str], prefix: str) -> list[str]:
    """Names for columns: those that are wanted, with `prefix` before those that are taken, as often as needed."""
    used, found = set(taken), []
    for name in wanted:
        while name in used:
            name = f"{prefix} {name}"
        used.add(name)
        found.append(name)
    return found

"""The predictions of a data set as a compressed CSV with the names of the classes as columns."""

import gzip
import os
from collections.abc import Sequence

import pandas as pd

from puzzlecell.data.cell_predictions import cell_quality
from puzzlecell.formats.answer import most_probable, opened_answer
from puzzlecell.formats.answer_columns import CALLS, AnswerColumns, free_names
from puzzlecell.runtime.checksums import written_with_checksum
from puzzlecell.runtime.progress import Progress

ROWS = 50_000
"""Cells that are written at a time."""


def export_csv(
    path: str | os.PathLike, answer_path: str | os.PathLike, classes: Sequence[str], progress: Progress
) -> None:
    """Write `ID, cell`, calls, most probable class, what is known of the cell, metadata, and the probabilities.

    Probabilities have the names of the classes, calibrated ones with `calibrated` before them. Texts are in UTF-8,
    numbers have up to seven significant digits. The file repeats to the byte. Raises UserError if the table of cells
    has other classes, and the errors of `read_parquet`.
    """
    with (
        opened_answer(answer_path, len(classes)) as answer,
        written_with_checksum(path, lines=False) as temporary,
        temporary.open("wb") as raw,
        # Neither the time nor the name of the file.
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as file,
    ):
        names = csv_names(answer.columns, classes)
        for start in range(0, max(1, answer.rows), ROWS):
            rows = min(ROWS, answer.rows - start)
            _write(file, _named(answer.take(rows), answer.columns, names, classes), header=start == 0)
            progress(start + rows, answer.rows, "cells")


def csv_names(columns: AnswerColumns, classes: Sequence[str]) -> dict[str, str]:
    """Names in the CSV of the columns of classes and of metadata, which may be called like others."""
    calls = [CALLS] if columns.calls else []
    own = ["ID", "cell", *calls, "most_probable", "quality", *columns.cell]
    given = [*columns.probabilities, *columns.calibrated]
    wanted = [*classes, *(f"calibrated {name}" for name in classes if columns.calibrated)]
    of_classes = free_names(wanted, own, "class")
    of_metadata = free_names(columns.metadata, [*own, *of_classes], "metadata")
    return dict(zip([*given, *columns.metadata], [*of_classes, *of_metadata], strict=True))


def _named(
    part: pd.DataFrame, columns: AnswerColumns, names: dict[str, str], classes: Sequence[str]
) -> pd.DataFrame:
    """Cells with the columns of the CSV, in their order."""
    top = most_probable(part[list(columns.probabilities)].to_numpy())
    added = {
        "most_probable": ["" if index < 0 else classes[index] for index in top],
        "quality": cell_quality(part),
    }
    first = part[["ID", "cell", *([CALLS] if columns.calls else [])]]
    rest = part[[*columns.cell, *columns.metadata, *columns.probabilities, *columns.calibrated]]
    return pd.concat([first, pd.DataFrame(added), rest.rename(columns=names)], axis=1)


def _write(file: gzip.GzipFile, table: pd.DataFrame, *, header: bool) -> None:
    text = table.to_csv(index=False, header=header, float_format="%.7g", lineterminator="\n")
    file.write(text.encode())

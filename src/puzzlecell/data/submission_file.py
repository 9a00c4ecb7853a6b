"""Reading of submissions and ground truth tables in the format of the HPA 2021 challenge."""

import os
import re
from collections.abc import Iterator

import pandas as pd

from puzzlecell.data.ids import id_problems
from puzzlecell.data.image_header import LARGEST_SIDE
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_table

SUBMISSION_COLUMNS = ("ID", "ImageWidth", "ImageHeight", "PredictionString")
_SIZE = re.compile("[1-9][0-9]{0,5}").fullmatch
_CLASS = re.compile("[0-9]{1,5}").fullmatch
_CONFIDENCE = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch


class SubmissionError(TableError):
    """A submission or ground truth table cannot be used; the message names each field that is wrong."""


def read_submission(path: str | os.PathLike, classes: int | None = None) -> pd.DataFrame:
    """Read a submission or ground truth table: `ID, ImageWidth, ImageHeight, PredictionString`, one row per field.

    classes: number of classes, if it is known. Sizes are int64. Raises TableError as `read_text_table`, and
    SubmissionError naming the line and ID of every invalid or duplicate ID, size that is not a positive integer up to
    100,000, and detection that is not `class confidence mask` with a known class and a confidence from 0 to 1. Masks
    are not decoded.
    """
    table = read_text_table(path, SUBMISSION_COLUMNS)[list(SUBMISSION_COLUMNS)]
    if table.empty:
        raise SubmissionError(f"{path}: the table has no rows")
    problems = id_problems(path, table.index.tolist(), table["ID"].tolist())
    for line, field_id, *sizes, text in table.itertuples():
        problem = next(filter(None, map(size_problem, SUBMISSION_COLUMNS[1:3], sizes)), None)
        problem = problem or detections_problem(text, classes)
        if problem:
            problems.append(f"{path}: line {line}: field {quoted(field_id)}: {problem}")
    if problems:
        raise SubmissionError("\n".join(listed(problems, path)))
    return table.reset_index(drop=True).astype(dict.fromkeys(SUBMISSION_COLUMNS[1:3], "int64"))


def triplets(text: str, classes: int | None = None) -> Iterator[tuple[int, float, str]]:
    """Yield class, confidence and encoded mask of each detection in a PredictionString.

    classes: number of classes, None if it is not known. Raises SubmissionError, without a place, if the string does not
    consist of such triplets; `read_submission` has checked this for whole tables.
    """
    problem = detections_problem(text, classes)
    if problem:
        raise SubmissionError(problem)
    parts = text.split()
    for index, confidence, mask in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield int(index), float(confidence), mask


def detections_problem(text: str, classes: int | None = None) -> str | None:
    """Return what is wrong with the first invalid detection of a PredictionString, None if all are valid.

    classes: number of classes, None if it is not known. Masks are not decoded.
    """
    parts = text.split()
    if len(parts) % 3:
        return f"{len(parts)} words in PredictionString are no triplets `class confidence mask`"
    highest = 99_999 if classes is None else classes - 1
    for number, (index, confidence) in enumerate(zip(parts[::3], parts[1::3], strict=True), start=1):
        if not _CLASS(index) or int(index) > highest:
            expected = "a class number" if classes is None else f"0 to {highest}"
            return f"detection {number} has the class {quoted(index)}; expected {expected}"
        if not _CONFIDENCE(confidence) or not float(confidence) <= 1:
            return (
                f"detection {number} has the confidence {quoted(confidence)}; expected a number from 0 to 1"
            )
    return None


def size_problem(name: str, text: str) -> str | None:
    """Return what is wrong with the text of a size in pixels; None for 1 to 100,000. name: that of the column."""
    if _SIZE(text) and int(text) <= LARGEST_SIDE:
        return None
    return f"{name} is {quoted(text)}; expected pixels, a positive integer up to {LARGEST_SIDE}"

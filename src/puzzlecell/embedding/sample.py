"""Embeddings of some cells of a data set, with their most probable classes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from puzzlecell.data.embedding_file import EmbeddingReader
from puzzlecell.errors import UserError
from puzzlecell.formats.answer import most_probable, opened_answer

AnyPath = str | os.PathLike


@dataclass(frozen=True)
class Sample:
    """Some cells, in the order of the data set.

    cells: `ID, cell, class, probability`; the class is the index of the most probable one, -1 where all probabilities
    are 0. values: embeddings (n, D) float32. total: number of cells in the data set.
    """

    cells: pd.DataFrame
    values: np.ndarray
    total: int


def read_sample(
    paths: Sequence[AnyPath], answer_path: AnyPath, classes: int, *, most: int, seed: int
) -> Sample:
    """Read at most `most` cells, drawn at random without replacement; memory grows with these alone.

    paths: embeddings, one file per shard. answer_path: table of cells with the probabilities of the ensemble. Raises
    UserError if the two have different cells, and DamagedFileError.
    """
    readers = [EmbeddingReader(path) for path in paths]
    if len({reader.width for reader in readers}) > 1:
        raise UserError(
            f"{readers[0].path.parent}: embeddings of different lengths; delete this folder and start again"
        )
    total = sum(map(len, readers))
    drawn = np.arange(total)
    if total > most:
        drawn = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
    tables, values, start = [], [np.empty((0, readers[0].width), np.float32)], 0
    with opened_answer(answer_path, classes) as answer:
        if answer.rows != total:
            raise UserError(
                f"{answer_path} has {answer.rows} cells, but there are embeddings of {total}; run the same command "
                "again to update them"
            )
        for reader in readers:
            part = answer.take(len(reader))
            same = (part["ID"].to_numpy(object) == reader.ids) & (part["cell"].to_numpy() == reader.cells)
            if not same.all():
                raise UserError(
                    f"{reader.path}: other cells than in {answer_path}; delete it and start again"
                )
            rows = drawn[(drawn >= start) & (drawn < start + len(reader))] - start
            start += len(reader)
            if not len(rows):
                continue
            probabilities = part[list(answer.columns.probabilities)].to_numpy()[rows]
            keys = {"ID": reader.ids[rows], "cell": reader.cells[rows]}
            found = {"class": most_probable(probabilities), "probability": probabilities.max(axis=1)}
            tables.append(pd.DataFrame({**keys, **found}))
            values.append(reader.rows(rows).astype(np.float32))
    if not tables:
        raise UserError(f"{answer_path}: there are no cells")
    return Sample(pd.concat(tables, ignore_index=True), np.concatenate(values), total)

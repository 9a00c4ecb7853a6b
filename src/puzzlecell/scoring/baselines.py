"""Baselines that are scored next to the ensemble."""

from collections.abc import Sequence

import pandas as pd

from puzzlecell.config.ensemble import EnsembleMember, EnsembleSettings
from puzzlecell.data.tables import class_columns
from puzzlecell.ensemble.combine import ensemble_cells


def compared_tables(
    answer: pd.DataFrame,
    members: Sequence[tuple[EnsembleMember, pd.DataFrame]],
    images: pd.DataFrame | None,
) -> dict[str, pd.DataFrame]:
    """Return the tables to score, `ID, cell, p00 ...` of the same cells.

    answer: the ensembled cell table. images: `ID, p00 ...` of whole fields; None if no member predicts them. Entries:

    - `broadcast` gives each cell the probabilities of its field, if they are known.
    - `step1` and `step2` are the weighted means of only that step's members; weights of single classes do not count.
    - `ensemble` is `answer` itself.
    """
    columns = class_columns(members[0][1])
    cells = answer[["ID", "cell"]]
    tables = {}
    if images is not None:
        tables["broadcast"] = cells.merge(images, on="ID", how="left", validate="many_to_one")
    for step in (1, 2):
        of_step = [(member, table) for member, table in members if member.step == step]
        if of_step:
            plain = EnsembleSettings(
                preset="mpware",
                members=[member.model_copy(update={"classes": {}}) for member, _ in of_step],
                max_classes="all",
            )
            weighted = [(table, member.weight) for member, table in of_step]
            tables[f"step{step}"] = ensemble_cells(cells, weighted, None, plain, negative=None)
    tables["ensemble"] = answer[["ID", "cell", *columns]]
    return tables

"""The cells of a finished run that look most like one of its cells, as a table and as a sheet of pictures."""

import numpy as np
import pandas as pd
import pyarrow.dataset

from puzzlecell.data.tables import class_columns
from puzzlecell.embedding.neighbours import nearest_cells
from puzzlecell.embedding.run_embeddings import RunEmbeddings
from puzzlecell.errors import UserError
from puzzlecell.formats.answer import most_probable


def look_alikes(
    run: RunEmbeddings, field_id: str, cell: int, number: int, *, other_fields: bool = False
) -> pd.DataFrame:
    """Return the cell itself and the cells most like it: `rank, ID, cell, distance, class, probability`.

    Rank 0 is the cell itself. class, probability: most probable class by the ensemble, empty and NaN where all are 0;
    the run must have the table of cells. other_fields: cells of the same field are left out. Raises the errors of
    `nearest_cells`.
    """
    near = nearest_cells(run.files, field_id, cell, number, same_field=not other_fields)
    asked = pd.DataFrame({"ID": [field_id], "cell": [cell], "distance": [0.0]})
    found = pd.concat([asked, near], ignore_index=True)
    found.insert(0, "rank", np.arange(len(found)))
    return found.merge(_classes(run, set(found["ID"])), how="left", on=["ID", "cell"], validate="one_to_one")


def _classes(run: RunEmbeddings, fields: set[str]) -> pd.DataFrame:
    """Most probable classes of the cells of some fields: `ID, cell, class, probability`."""
    path = run.results / "cells" / f"{run.dataset}.parquet"
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; start the run again to make it")
    table = pyarrow.dataset.dataset(path).to_table(filter=pyarrow.dataset.field("ID").isin(sorted(fields)))
    cells = table.to_pandas()
    names = cells.attrs["classes"]
    values = cells[class_columns(cells)].to_numpy()
    best = most_probable(values)
    return cells[["ID", "cell"]].assign(
        **{"class": [names[index] if index >= 0 else "" for index in best]},
        probability=np.where(best >= 0, values.max(axis=1, initial=0), np.nan),
    )

"""The cells of a finished run that look most like one of its cells, as a table and as a sheet of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset

from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns
from puzzlecell.embedding.neighbours import nearest_cells
from puzzlecell.errors import UserError
from puzzlecell.formats.answer import most_probable
from puzzlecell.runtime.messages import first_few


@dataclass(frozen=True)
class RunEmbeddings:
    """Embeddings of a data set in the results of a run. member: `<model>.<stage>`. files: one per shard, in order."""

    results: Path
    dataset: str
    member: str
    files: Sequence[Path]


def find_embeddings(results: Path, dataset: str, member: str | None) -> RunEmbeddings:
    """Find the embeddings of a data set; member: `<model>.<stage>`, None if there is only one.

    Raises UserError if there are none, or of several members, or not of all shards.
    """
    folder = results / "embeddings" / dataset
    shards = sorted((results / "store" / dataset).glob("[0-9][0-9][0-9].h5"))
    if not shards:
        known = sorted(path.parent.name for path in (results / "store").glob("*/000.h5"))
        raise UserError(
            f"{results}: there is no data set {dataset}; there are {first_few(known) or 'none at all'}"
        )
    found = sorted(path.parent.name for path in folder.glob("*/000.h5"))
    remedy = "make them with `snakemake --cores all embeddings` in the folder of the run"
    if not found:
        raise UserError(f"{folder}: there are no embeddings; {remedy}")
    if member is None and len(found) > 1:
        raise UserError(f"--member: there are embeddings of {', '.join(found)}; name one of them")
    member = found[0] if member is None else member
    if member not in found:
        raise UserError(
            f"--member: there are no embeddings of {member}; there are those of {', '.join(found)}"
        )
    files = [folder / member / path.name for path in shards]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UserError(f"{first_few(missing)}: there is no such file; {remedy}")
    return RunEmbeddings(results, dataset, member, files)


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


def run_fields(run: RunEmbeddings) -> tuple[ShardReader, ShardReader]:
    """Stored fields and label images of the data set."""
    store, masks = (
        [run.results / kind / run.dataset / path.name for path in run.files] for kind in ("store", "masks")
    )
    return ShardReader(store), ShardReader(masks)

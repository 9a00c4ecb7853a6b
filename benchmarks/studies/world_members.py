"""What the models of one training say about cells: member tables with the truth."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pooled import pooled_scores
from scipy.special import expit
from study_fields import true_cells

from puzzlecell.config.steps import Step1Settings, Step2Settings, TtaSettings
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns
from puzzlecell.inference.predict import batches, load_networks, predict
from puzzlecell.inference.step1 import cell_numbers, step1_scores
from puzzlecell.inference.step2 import step2_table
from puzzlecell.runtime.atomic import written_whole

Members = dict[str, np.ndarray]
"""`id`, `cell` (n,), `truth`, `step1`, `pooled`, `field`, `step2` (n, C): one row per cell."""


def of_fields(model: Path, store: Path, ids: Iterable[str], negative: int | None) -> Members:
    """Read one pass over whole fields in three ways: step 1, maps pooled under the cells, and the field itself."""
    reader, (network,) = ShardReader([store]), load_networks([model], "cpu")
    found: dict[str, list] = {name: [] for name in ("id", "cell", "step1", "pooled", "field")}
    for batch in batches(ids, 16):
        images = np.stack([sized_field(reader.read(field_id), network.field_size) for field_id in batch])
        for field_id, logits, maps in zip(
            batch, *predict(network, images, TtaSettings(), "cpu"), strict=True
        ):
            labels = reader.read(field_id, "cells")
            numbers = cell_numbers(labels)
            found["id"] += [field_id] * len(numbers)
            found["cell"].append(numbers)
            found["step1"].append(step1_scores(maps, logits, labels, Step1Settings(), negative))
            found["pooled"].append(pooled_scores(maps, labels))
            found["field"].append(np.repeat(expit(logits)[None], len(numbers), 0))
    return {name: np.array(rows) if name == "id" else np.concatenate(rows) for name, rows in found.items()}


def of_crops(model: Path, store: Path, ids: Iterable[str]) -> Members:
    """Step 2 of a model."""
    table = step2_table(store, store, [model], Step2Settings(), field_ids=list(ids))
    values = table[class_columns(table)].to_numpy()
    return {"id": table["ID"].to_numpy(str), "cell": table["cell"].to_numpy(), "step2": values}


def members(model: Path, store: Path, ids: list[str], negative: int | None) -> Members:
    """All readings of a model for the cells of these fields, with the truth; fields in the order of the shard."""
    reader = ShardReader([store])
    wanted = set(ids)
    ordered = [field_id for field_id in reader.ids if field_id in wanted]
    found, crops = of_fields(model, store, ordered, negative), of_crops(model, store, ordered)
    if not (np.array_equal(found["id"], crops["id"]) and np.array_equal(found["cell"], crops["cell"])):
        raise ValueError(f"{model}: steps 1 and 2 predicted different cells of {store}")
    return found | {"step2": crops["step2"], "truth": true_cells(reader, found["id"], found["cell"])}


def joined(tables: Iterable[Members]) -> Members:
    """Tables of different fields, one after the other."""
    tables = list(tables)
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def save(path: Path, table: Mapping[str, np.ndarray]) -> None:
    """Write a table of members; probabilities as float32."""
    small = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in table.items()}
    with written_whole(path) as temporary, Path(temporary).open("wb") as file:
        np.savez_compressed(file, **small)


def load(path: Path) -> Members:
    """Read a table that `save` wrote."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}

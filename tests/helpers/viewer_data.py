"""A shard of a small run as the viewer reads it: store, label images, tables of two members, class activation maps."""

import numpy as np
import pandas as pd
from helpers.inference_data import CLASSES, write_data

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.segmentation import QualitySettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import probability_table, write_parquet
from puzzlecell.segmentation.cell_table import cell_table
from puzzlecell.viewer.cells import EnsembleRules, ShardFiles
from puzzlecell.viewer.shard import ShardFacts, ShardView

MEMBERS = (1, 2)
"""Steps of the members of the ensemble."""


def write_shard_files(folder, fields=5) -> ShardFiles:
    """Write the files of a shard with random probabilities. The first field has maps of the classes 1 and 3."""
    store, masks = write_data(folder, fields)
    stored, labels = ShardReader([store]), ShardReader([masks])
    random = np.random.default_rng(3)
    cells = pd.concat(
        [
            cell_table(
                name,
                stored.read(name),
                labels.read(name, "cells"),
                labels.read(name, "nuclei"),
                QualitySettings(),
                height=stored.size(name)[0],
                width=stored.size(name)[1],
            )
            for name in stored.ids
        ],
        ignore_index=True,
    )
    write_parquet(folder / "cells.parquet", cells)
    members, images = [folder / f"member{step}.parquet" for step in MEMBERS], folder / "images.parquet"
    for path in members:
        keys = {"ID": cells["ID"].tolist(), "cell": cells["cell"].to_numpy()}
        write_parquet(path, probability_table(keys, random.random((len(cells), len(CLASSES)))))
    write_parquet(images, probability_table({"ID": stored.ids}, random.random((fields, len(CLASSES)))))
    maps = np.zeros((1, len(CLASSES), 6, 6), np.uint16)
    maps[0, 1, 0, 0], maps[0, 3] = 65535, 65535
    chosen = np.array([[0, 1, 0, 1]], np.uint8)
    write_shard(folder / "cams.h5", stored.ids[:1], {"maps": maps, "chosen": chosen}, {})
    return ShardFiles(store, masks, folder / "cells.parquet", members, [images], cams=folder / "cams.h5")


def shard_view(files: ShardFiles, every: bool = False, **settings) -> ShardView:
    """The shard with these settings of the viewer."""
    members = [{"model": "m", "stage": "s", "step": step} for step in MEMBERS]
    rules = EnsembleRules(EnsembleSettings(members=members, max_classes="all"), CLASSES)
    given = ViewSettings.model_validate({"tile": 32, "field_tile": 64, **settings})
    return ShardView(files, rules, given, ShardFacts(1, every=every))

"""A field of 80 x 160 pixels with four cells in a label image of half the resolution, and its cell table."""

from functools import cache

import numpy as np
import pandas as pd

from puzzlecell.config.segmentation import QualitySettings
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_parquet
from puzzlecell.segmentation.cell_table import cell_table

CLASSES = ["Nucleoplasm", "Cytosol", "Negative"]
HEIGHT, WIDTH = 80, 160


@cache
def labels():
    """Cells 1 and 2, 20 x 20 stored pixels each (40 x 80 raw ones), touch; 3 and 5 are squares of 10. 4 is missing."""
    image = np.zeros((40, 40), np.uint16)
    image[:20, :10], image[:20, 10:20] = 1, 2
    image[25:35, 2:12], image[25:35, 22:32] = 3, 5
    return image


def write_masks(folder, ids=("w1_1", "w1_2", "w2_1"), image=None):
    """Write masks of fields that all look alike, and return the paths of the masks and of the cell table."""
    image = labels() if image is None else image
    masks, table = folder / "masks.h5", folder / "cells.parquet"
    sizes = {"height": np.full(len(ids), HEIGHT), "width": np.full(len(ids), WIDTH)}
    write_shard(masks, list(ids), {"cells": np.stack([image] * len(ids)), **sizes}, {})
    write_parquet(table, cells(ids, image))
    return masks, table


def cells(ids=("w1_1", "w1_2", "w2_1"), image=None):
    image = labels() if image is None else image
    one = cell_table("", np.ones((40, 40, 4)), image, image, QualitySettings(), height=HEIGHT, width=WIDTH)
    return pd.concat([one.assign(ID=field_id) for field_id in ids], ignore_index=True)


def write_table(path, rows, header="ID,cell,y,x,class,grade,annotator"):
    path.write_text("\n".join([header, *rows, ""]))
    return path

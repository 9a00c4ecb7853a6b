"""Which embeddings belong to the label images and the answer of a run."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.data.embedding_file import embedding_writer, masks_state
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import write_parquet
from puzzlecell.embedding.run_embeddings import find_embeddings
from puzzlecell.errors import UserError

CELLS = {"a": 3, "b": 2, "c": 1}


def labels(cells):
    """A label image with this number of cells."""
    image = np.zeros((1, 8, 8), np.uint16)
    image[0, 0, :cells] = np.arange(1, cells + 1)
    return image


def write_masks(results, shard, field_id, cells):
    for kind, name in (("store", "images"), ("masks", "cells")):
        write_shard(results / kind / f"test/{shard}.h5", [field_id], {name: labels(cells)}, {})


def write_embeddings(results, shard, field_id, *, network="n"):
    masks = ShardReader([results / f"masks/test/{shard}.h5"])
    cells = int(masks.read(field_id, "cells").max())
    table = pd.DataFrame({"ID": [field_id] * cells, "cell": np.arange(1, cells + 1)})
    path = results / f"embeddings/test/m.s/{shard}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with embedding_writer(path, table, 2, {"masks": masks_state(masks), "network": network}) as out:
        out.write(table["ID"].tolist(), table["cell"].tolist(), np.ones((cells, 2), np.float32))
    return path


def write_answer(results, cells):
    rows = [(field_id, cell) for field_id, count in cells.items() for cell in range(1, count + 1)]
    write_parquet(results / "cells/test.parquet", pd.DataFrame(rows, columns=["ID", "cell"]))


@pytest.fixture
def results(tmp_path):
    """Three shards of a field each, and the answer of all of them."""
    results = tmp_path / "results"
    for number, (field_id, cells) in enumerate(CELLS.items()):
        write_masks(results, f"00{number}", field_id, cells)
        write_embeddings(results, f"00{number}", field_id)
    write_answer(results, CELLS)
    return results


def files(results):
    return [path.name for path in find_embeddings(results, "test", None).files]


def test_all_shards_belong_to_the_answer(results):
    assert files(results) == ["000.h5", "001.h5", "002.h5"]


def test_shards_of_an_earlier_run_with_more_of_them_are_left_out(results):
    write_answer(results, {"a": 3, "b": 2})
    assert files(results) == ["000.h5", "001.h5"]
    (results / "embeddings/test/m.s/002.h5").unlink()
    assert files(results) == ["000.h5", "001.h5"]


def segment_again(results):
    # Of the same number: another cell, or another outline of it.
    write_masks(results, "001", "b", 3)


def train_again(results):
    write_embeddings(results, "002", "c", network="other")


def lose(results):
    (results / "embeddings/test/m.s/001.h5").unlink()


def answer_more(results):
    write_answer(results, {**CELLS, "d": 1})


def answer_fewer(results):
    write_answer(results, {"a": 3, "b": 1})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (segment_again, "001.h5: made with other label images than those of this run"),
        (train_again, "m.s: embeddings of 2 different networks"),
        (lose, "001.h5: there is no such file"),
        (answer_more, "test.parquet has other cells than the embeddings in .*m.s"),
        (answer_fewer, "test.parquet has other cells than the embeddings in .*m.s"),
    ],
)
def test_others_are_refused(results, change, said):
    change(results)
    with pytest.raises(UserError, match=f"{said}.*; make them with `snakemake --cores all embeddings`"):
        find_embeddings(results, "test", "m.s")

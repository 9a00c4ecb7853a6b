"""Chunks as a page reads them from disk."""

import numpy as np
import pytest

CELLS = """async name => {
  const { columns, ids } = await puzzlecell.load(name);
  const plain = name => Array.from(columns[name]);
  return { ids, scores: plain("scores"), centroid: plain("centroid"), order: plain("order") };
}"""


@pytest.mark.parametrize("shard", ["test/000", "test/001", "holdout/000"])
def test_numbers_of_a_chunk_are_those_that_were_written(page, made_up, shard):
    read = page.evaluate(CELLS, f"{shard}/cells")
    cells = made_up.cells[made_up.cells.dataset + "/" + made_up.cells.shard == shard]
    expected = cells[[f"p{c}" for c in range(len(made_up.classes))]].to_numpy().T
    assert np.array_equal(np.array(read["scores"]).reshape(expected.shape) / 65535, expected)
    assert np.array_equal(np.array(read["centroid"]).reshape(-1, 2), cells[["centroid_y", "centroid_x"]])
    assert np.array_equal(read["order"], cells.order)
    assert set(cells.ID) <= set(read["ids"])


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "data/test/009/cells.js cannot be read"), ("let x = 1;", "data/test/009/cells.js is damaged")],
)
def test_a_chunk_that_cannot_be_read_is_named(copied_view, open_view, content, told):
    if content is not None:
        (copied_view / "data/test/009").mkdir()
        (copied_view / "data/test/009/cells.js").write_text(content)
    opened = open_view(copied_view)
    found = opened.open().evaluate(
        "name => puzzlecell.load(name).catch(error => error.message)", "test/009/cells"
    )
    assert told in found
    if content is None:
        opened.forgive("ERR_FILE_NOT_FOUND")

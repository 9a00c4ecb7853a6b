import base64
import csv
import zlib

import numpy as np
import pandas as pd
import pytest
from helpers.paths import SHARED
from helpers.scores import decode_mask
from pycocotools import mask as coco

from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.data.label_images import nearest_index, resize_labels
from puzzlecell.data.rle import cell_runs, encode_cells, encode_mask
from puzzlecell.data.submission_file import read_submission, triplets
from puzzlecell.data.tables import probability_columns
from puzzlecell.ensemble.submission import write_submission

SAMPLE = SHARED / "labels/sample_submission.csv"
# pycocotools returns arrays from a class whose __array__ lacks a keyword of numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CELL_MASKS = SAMPLE.parents[1] / "cell_masks"


def independent_decode(text, height, width):
    counts = zlib.decompress(base64.b64decode(text))
    return coco.decode({"counts": counts, "size": [height, width]}).astype(bool)


def blobs(size, cells, seed):
    """Label image of a Voronoi diagram with holes: irregular cells, some touching, some cut by the border."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, size, (cells, 2))
    grid = np.stack(np.mgrid[:size, :size], -1)
    distance = np.linalg.norm(grid[:, :, None] - points, axis=-1)
    labels = distance.argmin(-1) + 1
    labels[(distance.min(-1) > size / 4) | (rng.uniform(size=labels.shape) < 0.02)] = 0
    return labels.astype(np.uint16)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 33), (2048, 30)])
@pytest.mark.parametrize("fill", [0.0, 0.03, 0.5, 1.0])
def test_masks_survive_the_round_trip_and_agree_with_pycocotools(shape, fill):
    mask = np.random.default_rng(1).uniform(size=shape) < fill
    text = encode_mask(mask)
    assert np.array_equal(independent_decode(text, *shape), mask)
    assert np.array_equal(decode_mask(text, *shape), mask)


@pytest.mark.parametrize(
    ("size", "height", "width"), [(64, 64, 64), (64, 256, 256), (50, 173, 211), (96, 40, 61), (64, 33, 300)]
)
def test_every_cell_decodes_to_the_nearest_neighbour_mask(size, height, width):
    labels = blobs(size, 9, seed=size)
    texts = encode_cells(labels, height, width)
    full = resize_labels(labels, height, width)
    assert list(texts) == [n for n in np.unique(full).tolist() if n]
    for number, text in texts.items():
        assert text == encode_mask(full == number)
        assert np.array_equal(independent_decode(text, height, width), full == number)


def test_nearest_index_takes_the_stored_pixel_under_each_centre():
    for stored, original in [(4, 8), (3, 7), (8, 4), (5, 5), (512, 1728)]:
        expected = [int((i + 0.5) * stored / original) for i in range(original)]
        assert nearest_index(stored, original).tolist() == expected


def test_a_cell_of_one_pixel_and_an_empty_field():
    labels = np.zeros((8, 8), np.uint16)
    assert encode_cells(labels, 32, 32) == {}
    labels[7, 7] = 300
    texts = encode_cells(labels, 32, 32)
    assert list(texts) == [300]
    assert decode_mask(texts[300], 32, 32).sum() == 16


def test_broken_masks_are_explained():
    good = encode_mask(np.eye(6, dtype=bool))
    with pytest.raises(ValueError, match="base64"):
        decode_mask("not base64!", 6, 6)
    with pytest.raises(ValueError, match="zlib"):
        decode_mask("AAAA", 6, 6)
    with pytest.raises(ValueError, match="7 x 6 = 42"):
        decode_mask(good, 7, 6)
    with pytest.raises(ValueError, match="run lengths"):
        decode_mask(base64.b64encode(zlib.compress(b"\x01\x02")).decode(), 6, 6)


def test_runs_continue_across_columns():
    labels = np.zeros((4, 6), np.uint16)
    labels[1:, 1], labels[:, 2], labels[:2, 3] = 9, 9, 9
    starts, ends = cell_runs(labels, 8, 6)[9]
    assert starts.tolist() == [8 + 2]
    assert ends.tolist() == [3 * 8 + 4]


@pytest.fixture
def fields():
    """Three unsorted fields, one without cells, and the label images of the others."""
    table = pd.DataFrame(
        [("c", 50, 70), ("empty", 30, 20), ("a", 64, 64)], columns=["ID", "ImageWidth", "ImageHeight"]
    )
    return table, {"c": blobs(32, 4, 1), "a": blobs(32, 3, 2)}


def cells_of(masks, classes=3):
    rows = [(name, n) for name, labels in masks.items() for n in np.unique(labels)[1:]]
    table = pd.DataFrame(rows, columns=["ID", "cell"])
    values = np.random.default_rng(0).uniform(size=(len(table), classes)).astype(np.float32)
    return pd.concat([table, pd.DataFrame(values, columns=probability_columns(classes))], axis=1)


def test_a_submission_survives_the_round_trip(fields, tmp_path):
    table, masks = fields
    cells = cells_of(masks).sample(frac=1, random_state=0)
    seen = []
    write_submission(
        tmp_path / "s.csv",
        table,
        cells,
        masks.get,
        SubmissionSettings(digits=4),
        progress=lambda *n: seen.append(n),
    )
    read = read_submission(tmp_path / "s.csv")
    pd.testing.assert_frame_equal(read[["ID", "ImageWidth", "ImageHeight"]], table, check_dtype=False)
    rows = [",".join(read.columns), *(",".join(map(str, row)) for row in read.itertuples(index=False))]
    assert (tmp_path / "s.csv").read_bytes().decode() == "\n".join(rows) + "\n"
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for row in read.itertuples():
        found = list(triplets(row.PredictionString))
        if row.ID == "empty":
            assert [(index, value) for index, value, _ in found] == [(0, 0)]
            assert not independent_decode(found[0][2], 20, 30).any()
            continue
        full = resize_labels(masks[row.ID], row.ImageHeight, row.ImageWidth)
        mine = cells[cells["ID"] == row.ID].set_index("cell")
        assert len(found) == 3 * len(mine)
        for index, value, text in found:
            mask = independent_decode(text, row.ImageHeight, row.ImageWidth)
            (number,) = np.unique(full[mask])
            assert mask.sum() == (full == number).sum()
            assert value == pytest.approx(mine.loc[number, f"p{index:02d}"], abs=5.1e-5)


def test_low_confidences_are_left_out(fields, tmp_path):
    table, masks = fields
    cells = cells_of(masks)
    write_submission(tmp_path / "s.csv", table, cells, masks.get, SubmissionSettings(minimum_confidence=0.5))
    read = read_submission(tmp_path / "s.csv").set_index("ID")["PredictionString"]
    for name in masks:
        values = [value for _, value, _ in triplets(read[name])]
        assert len(values) == (cells.loc[cells["ID"] == name].iloc[:, 2:] >= 0.5).to_numpy().sum()
    none = SubmissionSettings(minimum_confidence=1)
    write_submission(tmp_path / "n.csv", table, cells, masks.get, none)
    assert [len(list(triplets(t))) for t in read_submission(tmp_path / "n.csv")["PredictionString"]] == [
        1,
        1,
        1,
    ]


def test_mismatched_cells_and_fields_are_refused(fields, tmp_path):
    table, masks = fields
    cells = cells_of(masks)
    for arguments, message in (
        ((pd.concat([table, table.iloc[:1]]), cells), "lists c twice"),
        ((table.iloc[:2], cells), "1 fields with cells are not in the ID table, such as a"),
        ((table, cells.assign(cell=77)), r"field c: cells 77 are not in its label image"),
    ):
        with pytest.raises(ValueError, match=message):
            write_submission(tmp_path / "s.csv", *arguments, masks.get, SubmissionSettings())
    assert not (tmp_path / "s.csv").exists()


def test_a_cell_that_vanishes_at_the_original_size_gets_no_triplet(tmp_path):
    labels = np.ones((8, 8), np.uint16)
    labels[0, 0] = 2
    cells = pd.DataFrame({"ID": "a", "cell": [1, 2], "p00": [0.5, 0.6]})
    fields = pd.DataFrame({"ID": ["a"], "ImageWidth": [4], "ImageHeight": [4]})
    write_submission(tmp_path / "s.csv", fields, cells, lambda _: labels, SubmissionSettings())
    ((index, value, text),) = triplets(read_submission(tmp_path / "s.csv")["PredictionString"][0])
    assert (index, value) == (0, 0.5)
    assert decode_mask(text, 4, 4).all()


def test_ids_with_quotes_or_commas_are_written_quoted(tmp_path):
    """Such IDs are refused when a table is read; here they are given directly."""
    names = ["a,b", 'say "x"', "two\nlines", "é 1"]
    fields = pd.DataFrame({"ID": names, "ImageWidth": 4, "ImageHeight": 4})
    cells = pd.DataFrame({"ID": pd.Series(dtype=object), "cell": [], "p00": []})
    write_submission(tmp_path / "s.csv", fields, cells, {}.get, SubmissionSettings())
    with (tmp_path / "s.csv").open(newline="", encoding="utf-8") as file:
        assert [row["ID"] for row in csv.DictReader(file, strict=True)] == names


@pytest.mark.shared
@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared data is not next to this checkout")
def test_the_real_id_table_gives_a_row_for_each_of_its_fields(tmp_path):
    fields = read_submission(SAMPLE)
    assert len(fields) == 559
    chosen = fields["ID"][[0, 7]].tolist()
    masks = {name: blobs(64, 5, number) for number, name in enumerate(chosen)}
    write_submission(tmp_path / "s.csv", fields, cells_of(masks), masks.get, SubmissionSettings())
    read = read_submission(tmp_path / "s.csv")
    pd.testing.assert_frame_equal(
        read.drop(columns="PredictionString"), fields.drop(columns="PredictionString")
    )
    for row in read[read["ID"].isin(chosen)].itertuples():
        for _, _, text in triplets(row.PredictionString):
            assert independent_decode(text, row.ImageHeight, row.ImageWidth).any()


@pytest.mark.shared
@pytest.mark.skipif(not CELL_MASKS.exists(), reason="the shared data is not next to this checkout")
def test_real_cell_shapes_survive_the_round_trip():
    import cv2

    path = sorted(CELL_MASKS.glob("*_mask.png"))[0]
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    labels = (labels if labels.ndim == 2 else labels[..., 0]).astype(np.uint16)
    texts = encode_cells(labels, *labels.shape)
    assert len(texts) > 3
    for number, text in texts.items():
        assert np.array_equal(independent_decode(text, *labels.shape), labels == number)

"""What the quality page shows of a data set, compared with plain versions and with the score."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.scores import score_cells

from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.rle import encode_cells
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import probability_columns, write_csv, write_parquet
from puzzlecell.scoring.average_precision import Matches
from puzzlecell.scoring.error_analysis import REASONS
from puzzlecell.scoring.report import class_table
from puzzlecell.viewer.confusion import confusion, most_probable
from puzzlecell.viewer.precision_recall import curve, thinned
from puzzlecell.viewer.quality import QualityFiles, called_classes, compared, write_quality
from puzzlecell.viewer.segmented import count_histogram, histogram, segmentation_overview

NAMES = ["Nucleoli", "Cytosol", "Vesicles", "Negative"]
SETTINGS = ScoreSettings(bootstrap=0)


@pytest.fixture
def data():
    """Fields of a grid of square cells, some of them shifted or lost in the masks; truth; probabilities."""
    random = np.random.default_rng(5)
    masks, truth, cells = {}, [], []
    for number in range(10):
        labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((16, 16), int)).astype(np.uint16)
        labels[::16] = labels[:, ::16] = 0
        texts = encode_cells(labels, 96, 96)
        shows = {cell: random.choice(3, random.integers(1, 3), replace=False) for cell in texts}
        truth.append(
            (f"f{number}", 96, 96, " ".join(f"{c} 1 {texts[cell]}" for cell in texts for c in shows[cell]))
        )
        found = labels.copy()
        found[found == 9] = 0
        # A quarter of cell 5 is left: an IoU of 0.25.
        found[24:, 16:32][found[24:, 16:32] == 5] = 0
        found[16:24, 24:32][found[16:24, 24:32] == 5] = 0
        masks[f"f{number}"] = found
        for cell in np.unique(found)[1:]:
            p = random.uniform(size=4)
            p[shows[cell]] += 0.5
            cells.append((f"f{number}", cell, *(p / 1.5)))
    truth = pd.DataFrame(truth, columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"])
    return masks, truth, pd.DataFrame(cells, columns=["ID", "cell", *probability_columns(4)])


def stepped_area(points):
    """Area below steps of (recall, precision), each level going back to the point before."""
    widths = np.diff(points[:, 0], prepend=0)
    return float((widths * points[:, 1]).sum())


def test_curves_confusion_and_misses_agree_with_the_score(data):
    masks, truth, cells = data
    found = compared(cells, masks.get, truth, NAMES, settings=SETTINGS)
    result = score_cells(cells, masks.get, truth, SETTINGS)
    for given, ap in zip(found["curves"], result.classes["ap"].fillna(0), strict=True):
        area = stepped_area(np.array(given["points"], float).reshape(-1, 3))
        assert area == pytest.approx(ap, abs=1e-4)
    # Cells 1 to 8 but 5 of each field are true cells; nothing is left out of the rows of the matrix.
    matrix = np.array(found["confusion"]["probable"])
    assert found["confusion"]["cells"] == 10 * 7
    plain = np.zeros((4, 6), int)
    for row in truth.itertuples():
        texts = encode_cells(masks[row.ID], 96, 96)
        shown = {}
        fields = row.PredictionString.split()
        for index, text in zip(fields[::3], fields[2::3], strict=True):
            shown.setdefault(text, set()).add(int(index))
        for cell in cells[cells["ID"] == row.ID].itertuples():
            true = shown.get(texts[cell.cell], set())
            taken = int(np.argmax(cell[3:]))
            for index in true:
                plain[index, taken if taken == index or taken not in true else 4] += 1
    assert (matrix == plain).all()
    # All misses are fewer than what is listed, so they are listed by reason just as often as the score counts them.
    counts = pd.DataFrame(0, index=range(4), columns=list(REASONS))
    for field_id, index, reason, cell, iou, confidence, box in found["misses"]["cells"]:
        counts.loc[index, REASONS[reason]] += 1
        if REASONS[reason] == "no_cell":
            assert (cell, iou, confidence, box) == (0, 0, None, [66, 66, 96, 96])
        if REASONS[reason] == "poor_mask":
            assert (cell, round(iou, 2), confidence, box) == (5, 0.22, None, [34, 34, 64, 64])
        assert field_id in masks
    expected = result.misses.set_index("class").drop(columns="found")
    assert (counts.drop(columns="found").to_numpy() == expected.to_numpy()).all()
    assert expected["no_cell"].sum() > 0 < expected["ranked_low"].sum()


def test_chunk_has_the_numbers_of_the_score(data, tmp_path):
    masks, truth, cells = data
    table = cells.assign(
        area_px=100, nucleus_area_px=25, touches_border=cells["cell"] == 1, border_quality=1.0
    )
    table = table.assign(outlier_quality=0.5, calls="uncertain")
    write_parquet(tmp_path / "cells.parquet", table)
    ids = [*masks, "empty"]
    write_shard(tmp_path / "masks.h5", list(masks), {"cells": np.stack(list(masks.values()))}, {})
    write_shard(tmp_path / "store.h5", ids, {"pixel_size_um": np.full(11, np.nan)}, {})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    result = score_cells(cells, masks.get, truth, SETTINGS)
    write_csv(tmp_path / "score.csv", class_table({"step1": result, "ensemble": result}, NAMES), digits=4)
    files = QualityFiles(
        tmp_path / "cells.parquet",
        [tmp_path / "store.h5"],
        [tmp_path / "masks.h5"],
        tmp_path / "truth.csv",
        tmp_path / "score.csv",
    )
    path = tmp_path / "quality.js"
    write_quality(path, "test", files, NAMES, pixel_sizes=PixelSizes(0.5), settings=SETTINGS)
    text = path.read_text()
    assert text.startswith('puzzlecell.receive("test/quality",')
    content = json.loads(text[text.index("{") : text.rindex(")")])
    assert [given["ap"] for given in content["curves"]] == [
        None if np.isnan(ap) else round(ap, 4) for ap in result.classes["ap"]
    ]
    assert [given["no_cell"] for given in content["curves"]] == result.misses["no_cell"].tolist()
    # Of uncertain cells nothing is called.
    called = np.array(content["confusion"]["called"])
    assert (called[:, :5] == 0).all()
    assert (called[:, 5] > 0).tolist() == [True, True, True, False]
    found = content["segmentation"]
    assert (found["fields"], found["cells"], found["without_cells"], found["at_border"]) == (11, 80, 1, 10)
    assert found["fewest"][0] == ["empty", 0]
    assert found["cell_area"]["median"] == 25.0
    assert found["nucleus_area"]["median"] == 6.25


def test_thinned_curves_keep_their_area():
    random = np.random.default_rng(0)
    confidence = np.sort(random.uniform(size=20_000))[::-1]
    hit = random.uniform(size=20_000) < confidence**2
    matches = Matches(
        np.zeros(20_000, int),
        np.zeros(20_000, int),
        confidence,
        hit.astype(int),
        hit,
        np.array([[hit.sum() + 500]]),
    )
    whole = curve(matches, 0)
    few = thinned(whole)
    assert len(few) <= 200 < len(np.unique(whole[:, 1]))
    assert stepped_area(few) == pytest.approx(stepped_area(whole), abs=2e-3)
    assert (few[-1] == whole[-1]).all()
    assert curve(matches, 0)[:, 1].max() == whole[0, 1]


def test_confusion_of_cells_with_several_classes():
    truth = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]], bool)
    said = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 0, 1]], bool)
    # Columns: three classes, another true class, nothing.
    assert confusion(truth, said).tolist() == [[1, 0, 2, 1, 1], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0]]
    assert most_probable(np.array([[0.2, 0.7, 0.7]])).tolist() == [[False, True, False]]
    assert most_probable(np.empty((0, 3))).shape == (0, 3)


def test_called_classes_of_texts():
    calls = ["Nucleoli|Negative", "uncertain", "Cytosol"]
    assert called_classes(calls, NAMES).tolist() == [
        [True, False, False, True],
        [False] * 4,
        [False, True, False, False],
    ]


@pytest.mark.parametrize(
    "found, expected",
    [
        (histogram(np.array([])), ([], 0, None)),
        (histogram(np.array([0.0, 0.5, 1.0]), (0, 1), 2), ([1, 2], 0, 0.5)),
        (histogram(np.array([1.0] * 999 + [900.0])), ([0] * 29 + [999], 1, 1.0)),
        (count_histogram(np.array([0, 2, 2])), ([1, 0, 2], 0, 2.0)),
        (count_histogram(np.array([0, 1, 59, 60])), ([2] + [0] * 18 + [1, 1], 0, 30.0)),
    ],
)
def test_histograms(found, expected):
    assert (found["counts"], found["above"], found["median"]) == expected


def test_segmentation_of_no_cells():
    columns = ["ID", "area_px", "nucleus_area_px", "touches_border", "border_quality", "outlier_quality"]
    found = segmentation_overview(pd.DataFrame({name: [] for name in columns}), ["a"], {"a": 1.0})
    assert (found["cells"], found["without_cells"], found["most"]) == (0, 1, [["a", 0]])
    assert found["cell_area"]["median"] is None

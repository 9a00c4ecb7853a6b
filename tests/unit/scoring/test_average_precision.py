import numpy as np
import pandas as pd
import pytest
from helpers.scores import score_cells
from pycocotools import mask as coco

from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.data.iou import box_iou, mask_iou, mask_runs
from puzzlecell.data.label_images import resize_labels
from puzzlecell.data.rle import encode_cells, encode_mask
from puzzlecell.data.submission_file import triplets
from puzzlecell.data.tables import probability_columns
from puzzlecell.ensemble.submission import write_submission
from puzzlecell.scoring.average_precision import score_tables
from puzzlecell.scoring.submission_score import score_submission

PLAIN = ScoreSettings(bootstrap=0)


def random_labels(random, size=40, cells=6):
    points = random.uniform(0, size, (cells, 2))
    rows, columns = np.mgrid[:size, :size]
    distance = np.stack([np.hypot(rows - y, columns - x) for y, x in points])
    labels = distance.argmin(0) + 1
    labels[distance.min(0) > size / 4] = 0
    return labels.astype(np.uint16)


@pytest.fixture
def data():
    """Shifted label images as predicted masks, ground truth, and a table of random probabilities of four classes."""
    random = np.random.default_rng(3)
    masks, truth, cells = {}, [], []
    for number in range(12):
        labels = random_labels(random)
        height, width = 80, 80 + 10 * (number % 3)
        texts = encode_cells(labels, height, width)
        shows = {cell: random.choice(3, random.integers(1, 3), replace=False) for cell in texts}
        string = " ".join(f"{c} 1 {texts[cell]}" for cell in texts for c in shows[cell])
        truth.append((f"f{number}", width, height, string))
        shaken = np.roll(labels, random.integers(0, 4, 2), (0, 1))
        masks[f"f{number}"] = shaken
        for cell in np.unique(shaken)[1:]:
            p = random.uniform(size=4)
            p[shows.get(cell, [])] += 0.4
            cells.append((f"f{number}", cell, *(p / 1.4)))
    truth = pd.DataFrame(truth, columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"])
    return masks, truth, pd.DataFrame(cells, columns=["ID", "cell", *probability_columns(4)])


def plain_score(masks, truth, cells, classes, settings):
    """The score in plain loops over fields, classes and detections, with overlaps by pycocotools."""
    precisions = []
    for index in range(classes):
        pooled, total = [], 0
        for row in truth.itertuples():
            true = [m for c, _, m in triplets(row.PredictionString) if c == index]
            total += len(true)
            full = resize_labels(masks[row.ID], row.ImageHeight, row.ImageWidth)
            table = cells[cells["ID"] == row.ID].sort_values(f"p{index:02d}", ascending=False, kind="stable")
            if not true and settings.detections == "present":
                continue
            taken = set()
            for cell in table.itertuples():
                one = coco.encode(np.asfortranarray(full == cell.cell, dtype=np.uint8))
                overlaps = [iou(one, text, row, settings.overlap) for text in true]
                best = int(np.argmax(overlaps)) if overlaps else None
                hit = best is not None and overlaps[best] >= settings.iou_threshold and best not in taken
                if hit:
                    taken.add(best)
                pooled.append((getattr(cell, f"p{index:02d}"), hit))
        pooled.sort(key=lambda pair: -pair[0])
        hits = [hit for _, hit in pooled]
        area = 0.0
        for place, hit in enumerate(hits):
            if hit:
                area += max(sum(hits[: k + 1]) / (k + 1) for k in range(place, len(hits)))
        precisions.append(area / total if total else np.nan)
    return precisions


def iou(one, text, row, overlap):
    import base64
    import zlib

    other = {"counts": zlib.decompress(base64.b64decode(text)), "size": [row.ImageHeight, row.ImageWidth]}
    if overlap == "box":
        return coco.iou(np.array([coco.toBbox(one)]), np.array([coco.toBbox(other)]), [0])[0, 0]
    return coco.iou([one], [other], [0])[0, 0]


@pytest.mark.parametrize("overlap", ["mask", "box"])
@pytest.mark.parametrize("detections", ["all", "present"])
def test_score_equals_an_independent_implementation(data, overlap, detections):
    masks, truth, cells = data
    settings = ScoreSettings(overlap=overlap, detections=detections, bootstrap=0)
    result = score_cells(cells, masks.get, truth, settings)
    expected = plain_score(masks, truth, cells, 4, settings)
    assert 0.2 < np.nanmean(expected) < 0.95
    np.testing.assert_allclose(result.classes["ap"], expected, atol=1e-12)
    assert result.mean == pytest.approx(np.nansum(expected) / 4)
    nan = score_cells(cells, masks.get, truth, settings.model_copy(update={"missing": "nan"}))
    assert nan.mean == pytest.approx(np.nansum(expected) / 3)


def test_tables_and_submissions_get_the_same_score(data, tmp_path):
    masks, truth, cells = data
    flat = cells.assign(**dict.fromkeys(probability_columns(4), 0.5))
    settings = ScoreSettings(bootstrap=20)
    both = score_tables({"flat": flat, "cells": cells}, masks.get, truth, settings)
    assert both["cells"].mean > both["flat"].mean
    pd.testing.assert_frame_equal(
        both["cells"].classes, score_cells(cells, masks.get, truth, settings).classes
    )
    truth.to_csv(tmp_path / "truth.csv", index=False)
    write_submission(tmp_path / "s.csv", truth, cells, masks.get, SubmissionSettings(digits=9))
    read = score_submission(tmp_path / "s.csv", tmp_path / "truth.csv", settings, 4)
    assert read.mean == pytest.approx(both["cells"].mean)
    pd.testing.assert_frame_equal(read.misses, both["cells"].misses)
    assert both["cells"].low < both["cells"].mean < both["cells"].high


def table_of(path, rows):
    frame = pd.DataFrame(rows, columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"])
    frame.to_csv(path, index=False)
    return path


def square(y, x, side=10, size=40):
    mask = np.zeros((size, size), bool)
    mask[y : y + side, x : x + side] = True
    return encode_mask(mask)


def test_average_precision_by_hand(tmp_path):
    """Three true cells of class 0; by confidence: hit, miss, hit, duplicate of the first: AP = (1 + 2/3) / 3."""
    truth = table_of(
        tmp_path / "t.csv",
        [("a", 40, 40, f"0 1 {square(0, 0)} 0 1 {square(0, 20)} 0 1 {square(20, 0)}"), ("b", 40, 40, "")],
    )
    text = f"0 0.9 {square(0, 0)} 0 0.7 {square(0, 20)} 0 0.6 {square(1, 0)}"
    result = score_submission(
        table_of(tmp_path / "s.csv", [("a", 40, 40, text), ("b", 40, 40, f"0 0.8 {square(5, 5)}")]),
        truth,
        PLAIN,
        1,
    )
    assert result.mean == pytest.approx((1 + 2 / 3) / 3)
    present = PLAIN.model_copy(update={"detections": "present"})
    assert score_submission(tmp_path / "s.csv", truth, present, 1).mean == pytest.approx(2 / 3)


def test_perfect_empty_duplicated_and_swapped_submissions(tmp_path):
    first, second = square(0, 0), square(20, 20)
    truth = table_of(tmp_path / "t.csv", [("a", 40, 40, f"0 1 {first} 1 1 {second}")])

    def score(text):
        return score_submission(table_of(tmp_path / "s.csv", [("a", 40, 40, text)]), truth, PLAIN, 2).mean

    assert score(f"0 0.5 {first} 1 0.5 {second}") == 1
    assert score("") == 0
    assert score(f"1 0.5 {first} 0 0.5 {second}") == 0
    assert score(f"0 0.5 {first} 0 0.4 {first} 1 0.5 {second} 1 0.6 {second}") == 1
    assert score(f"0 0.5 {square(3, 3)} 1 0.5 {second}") == 0.5


def test_missed_cells_are_counted_by_reason(tmp_path):
    cells = [square(0, 0), square(0, 20), square(20, 0), square(20, 20), square(30, 30)]
    truth = " ".join(f"0 1 {mask}" for mask in cells[:4]) + f" 1 1 {cells[4]} 0 1 {cells[4]}"
    found = [
        f"0 0.9 {cells[0]}",
        f"0 0.9 {square(5, 25)}",
        f"1 0.9 {cells[3]}",
        f"0 0.8 {square(12, 12, 5)}",
        *[f"0 0.7 {square(12, 33, 5)}"] * 6,
        f"0 0.01 {cells[4]}",
        f"1 0.95 {cells[4]}",
    ]
    table_of(tmp_path / "t.csv", [("a", 40, 40, truth)])
    table_of(tmp_path / "s.csv", [("a", 40, 40, " ".join(found))])
    misses = score_submission(tmp_path / "s.csv", tmp_path / "t.csv", PLAIN, 2).misses
    assert misses.loc[0].drop("class").to_dict() == {
        "found": 1,
        "no_cell": 1,
        "poor_mask": 1,
        "wrong_class": 1,
        "ranked_low": 1,
    }
    assert misses.loc[1, "found"] == 1


def test_overlaps_equal_pycocotools_even_where_masks_overlap():
    random = np.random.default_rng(5)
    masks = [random.uniform(size=(23, 31)) < fill for fill in (0.0, 0.1, 0.5, 0.9, 1.0)]
    masks += [np.outer(random.uniform(size=23) < 0.5, random.uniform(size=31) < 0.5) for _ in range(4)]
    runs = [mask_runs(encode_mask(mask), 23, 31) for mask in masks]
    encoded = [coco.encode(np.asfortranarray(mask, dtype=np.uint8)) for mask in masks]
    expected = coco.iou(encoded[:4], encoded[4:], [0] * 5)
    np.testing.assert_allclose(mask_iou(runs[:4], runs[4:]), expected, atol=1e-12)
    boxes = [coco.toBbox(one) for one in encoded]
    expected = coco.iou(np.array(boxes[1:4]), np.array(boxes[4:]), [0] * 5)
    np.testing.assert_allclose(box_iou(runs[1:4], runs[4:], 23), expected, atol=1e-12)


def test_bootstrap_agrees_with_scoring_the_drawn_fields(data):
    masks, truth, cells = data
    settings = ScoreSettings(bootstrap=1, seed=4, interval=0.5)
    result = score_cells(cells, masks.get, truth, settings)
    draw = np.random.default_rng(4).multinomial(12, np.full(12, 1 / 12), 1)[0]
    masks_drawn, truth_drawn, cells_drawn = {}, [], []
    for count, row in zip(draw, truth.itertuples(index=False), strict=True):
        for copy in range(count):
            name = f"{row.ID}.{copy}"
            masks_drawn[name] = masks[row.ID]
            truth_drawn.append(row._replace(ID=name))
            cells_drawn.append(cells[cells["ID"] == row.ID].assign(ID=name))
    again = score_cells(pd.concat(cells_drawn), masks_drawn.get, pd.DataFrame(truth_drawn), PLAIN)
    assert result.low == pytest.approx(again.mean)
    assert result.low == result.high


def test_order_of_fields_does_not_matter(data):
    masks, truth, cells = data
    first = score_cells(cells, masks.get, truth, PLAIN)
    again = score_cells(cells.iloc[::-1], masks.get, truth.iloc[::-1], PLAIN)
    np.testing.assert_allclose(first.classes["ap"], again.classes["ap"])


def test_mismatched_inputs_are_reported(data, tmp_path):
    masks, truth, cells = data
    with pytest.raises(ValueError, match=r"no ground truth for 1 fields.*f0"):
        score_cells(cells, masks.get, truth.iloc[1:], PLAIN)
    with pytest.raises(ValueError, match="field f0: cells 99 are"):
        score_cells(cells.assign(cell=99), masks.get, truth, PLAIN)
    one, other = (table_of(tmp_path / n, [(i, 4, 4, "")]) for n, i in (("s.csv", "a"), ("t.csv", "b")))
    with pytest.raises(ValueError, match="same fields"):
        score_submission(one, other, PLAIN, 1)
    table_of(tmp_path / "t.csv", [("a", 4, 5, "")])
    with pytest.raises(ValueError, match=r"field a: .*4 x 4 in .*s.csv, but 4 x 5 in .*t.csv"):
        score_submission(one, tmp_path / "t.csv", PLAIN, 1)
    table_of(tmp_path / "t.csv", [("a", 4, 4, f"3 1 {encode_mask(np.ones((4, 4), bool))}")])
    with pytest.raises(
        ValueError, match=r"t\.csv: line 2: field 'a': detection 1 has the class '3'; expected 0 to 1"
    ):
        score_submission(one, tmp_path / "t.csv", PLAIN, 2)

"""The folder of a shard: numbers equal the run's tables, outlines its masks, pictures its store."""

import json
from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.inference_data import CLASSES, SIZE
from helpers.view_data import (
    ENSEMBLE,
    MEMBERS,
    SETTINGS,
    answer,
    decoded,
    shard_view,
    write_truth,
    write_view_shard,
)

from puzzlecell.calibration.apply import with_calls
from puzzlecell.config.view import ViewPictures
from puzzlecell.data.calibration_table import Row
from puzzlecell.data.label_images import resize_labels
from puzzlecell.data.outlines import ring_area
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet, write_parquet
from puzzlecell.viewer.budget import write_budget
from puzzlecell.viewer.cells import EnsembleRules
from puzzlecell.viewer.display import display_range
from puzzlecell.viewer.masks_of_classes import class_masks
from puzzlecell.viewer.write_shard import write_shard_view

HALF = 0.5 / 65535
HOSTILE = "<img src=x onerror=alert(1)>\u2028</script>"
CALIBRATION = [Row("platt", slope=2.0, intercept=0.3, threshold=limit) for limit in (0.6, 0.9, None, 0.5)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards of a data set."""
    folder = tmp_path_factory.mktemp("shards")
    return [write_view_shard(folder), write_view_shard(folder, "001", fields=3, first=10)]


@pytest.fixture(scope="module")
def written(shards, tmp_path_factory):
    """The folder of the first shard with calibration, truth and metadata; the view and the true classes."""
    folder = tmp_path_factory.mktemp("view")
    shown = {("field0", 1): [0, 2], ("field0", 4): [], ("field1", 2): [1]}
    shown = {key: classes for key, classes in shown.items() if classes}
    truth = write_truth(folder / "truth.csv", shards[0], shown)
    metadata = {
        "ID": [f"field{number}" for number in (4, 0, 1, 2)],
        "antibody": ["AB1", HOSTILE, "AB1", ""],
        "<b>well</b>": ["A1", "A2", "A3", "A4"],
    }
    view = shard_view(
        shards[0].__class__(**{**vars(shards[0]), "truth": truth}),
        calibration=CALIBRATION,
        metadata=metadata,
        pixel_sizes=PixelSizes(0.25),
    )
    write_shard_view(folder / "000", view, "test/000")
    return folder / "000", view, shown


@pytest.mark.parametrize("calibrated", [False, True])
def test_probabilities_are_those_of_the_whole_ensemble(shards, tmp_path, calibrated):
    """Each shard on its own gives what the rule `ensemble` says of both."""
    rows = CALIBRATION if calibrated else None
    calls = partial(with_calls, rows=rows, names=CLASSES) if rows else None
    table = answer(tmp_path / "test.parquet", shards, calls)
    parts = []
    for number, files in enumerate(shards):
        write_shard_view(
            tmp_path / f"{number}", shard_view(files, calibration=rows, shards=2), f"test/{number}"
        )
        name, content, columns = decoded(tmp_path / f"{number}/cells.js")
        assert name == f"test/{number}/cells"
        found = {"ID": np.array(content["ids"])[columns["field"]], "cell": columns["cell"]}
        for prefix, column in (("p", "scores"), ("c", "calibrated")):
            if column in columns:
                values = columns[column].reshape(len(CLASSES), -1) / 65535
                found |= {f"{prefix}{index:02d}": row for index, row in enumerate(values)}
        if calibrated:
            bits = columns["calls"]
            found["calls"] = [
                "uncertain" if bit >> 31 else "|".join(n for i, n in enumerate(CLASSES) if bit >> i & 1)
                for bit in bits.tolist()
            ]
        parts.append(pd.DataFrame(found))
    joined = pd.concat(parts, ignore_index=True)
    assert ("calibrated" in columns) == calibrated
    assert joined[["ID", "cell"]].values.tolist() == table[["ID", "cell"]].values.tolist()
    for name in joined.columns[2:]:
        if name == "calls":
            assert joined[name].tolist() == table[name].tolist()
        else:
            np.testing.assert_allclose(joined[name], table[name], atol=HALF + 1e-9)


def test_places_and_facts_of_cells_and_fields(written):
    folder, view, shown = written
    _, content, columns = decoded(folder / "cells.js")
    table = read_parquet(view.files.cells)
    for name in ("cell", "y0", "x0", "y1", "x1"):
        assert columns[name].tolist() == table[name].tolist()
    assert columns["area"].tolist() == table["area_px"].tolist()
    assert columns["nucleus_area"].tolist() == table["nucleus_area_px"].tolist()
    np.testing.assert_allclose(columns["centroid"].reshape(-1, 2), table[["centroid_y", "centroid_x"]])
    quality = (table["border_quality"] * table["outlier_quality"]).to_numpy()
    np.testing.assert_allclose(columns["quality"] / 255, quality, atol=0.51 / 255)
    assert columns["touches_border"].tolist() == table["touches_border"].tolist()
    assert set(columns["height"]) == set(columns["width"]) == {2 * SIZE}
    np.testing.assert_allclose(columns["pixel_size_um"], 0.25)
    # The table of metadata has other fields in another order; texts are data, whatever they say.
    assert content["metadata"]["antibody"]["values"] == ["", HOSTILE, "AB1"]
    values = np.array(content["metadata"]["antibody"]["values"])[columns["metadata.antibody"]]
    assert values.tolist() == [HOSTILE, "AB1", "", "", "AB1"]
    assert "\u2028" not in (folder / "cells.js").read_text()
    facts = json.loads((folder / "shard.json").read_text())
    assert facts["metadata"] == ["antibody", "<b>well</b>"]
    assert (facts["fields"], facts["cells"], facts["truth"]) == (5, len(table), True)
    places = {key: row for row, key in enumerate(zip(table["ID"], table["cell"], strict=True))}
    expected = {places[key]: sum(1 << index for index in classes) for key, classes in shown.items()}
    assert {row: int(columns["truth"][row]) for row in np.flatnonzero(columns["known"])} == expected


def test_details_are_the_members_and_the_means_of_their_steps(written):
    folder, view, _ = written
    _, content, columns = decoded(folder / "details.js")
    names = [found["name"] for found in content["predictions"]]
    assert names == ["step 1", "step 2"] + [f"step {step}, {a} {b}" for a, b, step, _ in MEMBERS]
    scores = columns["scores"].reshape(5, len(CLASSES), -1) / 65535
    keys = read_parquet(view.files.cells)[["ID", "cell"]]
    members = [
        keys.merge(read_parquet(path), on=["ID", "cell"]).iloc[:, 2:].to_numpy()
        for path in view.files.members
    ]
    expected = [(members[0] + 3 * members[1]) / 4, members[2], *members]
    np.testing.assert_allclose(scores, np.stack(expected).transpose(0, 2, 1), atol=HALF + 1e-7)
    _, _, cells = decoded(folder / "cells.js")
    differ = np.abs(expected[0] - expected[1]).max(axis=1)
    np.testing.assert_allclose(cells["disagree"] / 65535, differ, atol=HALF + 1e-7)


def test_outlines_are_near_the_masks(written):
    folder, view, _ = written
    _, content, columns = decoded(folder / "shapes.js")
    assert content["scale"] == 1
    labels = ShardReader([view.files.masks])
    table = read_parquet(view.files.cells)
    for kind in ("cell", "nucleus"):
        corners = columns[f"{kind}_xy"].reshape(-1, 2).astype(float)
        points, rings = columns[f"{kind}_points"], columns[f"{kind}_rings"]
        assert len(rings) == len(table) + 1
        assert points[-1] == len(corners)
        for row, (field_id, number) in enumerate(zip(table["ID"], table["cell"], strict=True)):
            own = range(rings[row], rings[row + 1])
            area = sum(ring_area(corners[points[ring] : points[ring + 1]]) for ring in own)
            mask = resize_labels(labels.read(field_id, "cells"), 2 * SIZE, 2 * SIZE) == number
            # Simplified by at most a pixel of the mask along the border.
            assert abs(area - mask.sum()) <= 0.1 * mask.sum() + 4


def test_pictures_show_the_cells_and_fields_of_the_store(written):
    """Each channel of each tile is the part of the stored field that `crop` names, stretched to black and white."""
    folder, view, _ = written
    _, content, columns = decoded(folder / "cells.js")
    store, tile = ShardReader([view.files.store]), SETTINGS.tile
    sheet = cv2.imread(str(folder / "sheet-0000.webp"), cv2.IMREAD_GRAYSCALE)
    count = len(columns["cell"])
    assert sheet.shape == (tile * count, 4 * tile)
    assert sorted(columns["picture"]) == list(range(1, count + 1))
    black, white = (columns[name].reshape(-1, 4).astype(float) for name in ("black", "white"))
    crop = columns["crop"].reshape(-1, 3)
    for row in range(count):
        place = columns["field"][row]
        image = store.read(content["ids"][place]).astype(float)
        shown = np.clip((image - black[place]) / (white[place] - black[place]), 0, 1) * 255
        y0, x0, side = crop[row]
        assert y0 <= columns["y0"][row] < columns["y1"][row] <= y0 + side
        assert x0 <= columns["x0"][row] < columns["x1"][row] <= x0 + side
        assert min(y0, x0) >= 0
        assert max(y0, x0) + side <= 2 * SIZE
        # Sampled at the centres of the tile's pixels; the store has half the size of the field.
        at_y, at_x = ((first + (np.arange(tile) + 0.5) * side / tile) / 2 - 0.5 for first in (y0, x0))
        grid = np.meshgrid(at_x, at_y)
        slot = int(columns["picture"][row]) - 1
        for channel in range(4):
            expected = cv2.remap(
                np.ascontiguousarray(shown[..., channel], np.float32),
                *(axis.astype(np.float32) for axis in grid),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            found = sheet[slot * tile : (slot + 1) * tile, channel * tile : (channel + 1) * tile]
            # WebP loses a little, and so does the mean over a finer grid.
            assert np.abs(found - expected).mean() < 6, (row, channel)
    for place in np.flatnonzero(columns["field_picture"]):
        picture = cv2.imread(str(folder / f"field-{place:04d}.webp"), cv2.IMREAD_GRAYSCALE)
        image = store.read(content["ids"][place]).astype(np.float32)
        shown = np.clip((image - black[place]) / (white[place] - black[place]), 0, 1) * 255
        small = cv2.resize(shown.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
        expected = np.concatenate([small[..., channel] for channel in range(4)], axis=1)
        assert np.abs(picture - expected).mean() < 3


def test_distances_from_the_training_fields(shards, tmp_path):
    files = shards[0]
    cells = read_parquet(files.cells)[["ID", "cell"]]
    distances = cells.assign(unlike_training=np.linspace(0, 2, len(cells)), unlike_in="")
    distances.loc[distances.index[-1], "unlike_in"] = HOSTILE
    write_parquet(tmp_path / "cells.parquet", distances.iloc[::-1].reset_index(drop=True))
    fields = pd.DataFrame({"ID": [f"field{number}" for number in range(5)]})
    write_parquet(tmp_path / "fields.parquet", fields.assign(unlike_training=[0.5, 1, 1.5, 2, 2.5]))
    view = shard_view(
        files.__class__(
            **{
                **vars(files),
                "unlike_cells": tmp_path / "cells.parquet",
                "unlike_fields": tmp_path / "fields.parquet",
            }
        )
    )
    _, columns = view.cells_chunk()
    np.testing.assert_allclose(columns["unlike"], distances["unlike_training"], rtol=1e-6)
    np.testing.assert_allclose(columns["field_unlike"], [0.5, 1, 1.5, 2, 2.5])
    assert view.details_chunk()[0]["unlike_in"] == {str(len(cells) - 1): HOSTILE}
    assert np.isnan(shard_view(files).cells_chunk()[1]["unlike"]).all()


def test_what_was_there_before_is_gone(shards, tmp_path):
    """Fewer pictures leave none of the earlier files, and without details there is no such chunk."""
    write_shard_view(tmp_path / "000", shard_view(shards[0]), "test/000")
    (tmp_path / "000/sheet-0099.webp").write_bytes(b"of an earlier run")
    none = ViewPictures(confident=0, uncertain=0, disagree=0, random=0, sample=0)
    fewer = SETTINGS.model_copy(update={"pictures": none, "fields": 1, "details": False})
    write_shard_view(tmp_path / "000", shard_view(shards[0], fewer), "test/000")
    names = sorted(path.name for path in (tmp_path / "000").iterdir())
    assert [name for name in names if not name.startswith("field-")] == [
        "cells.js",
        "shapes.js",
        "shard.json",
        "shard.json.checksum",
    ]
    assert len(names) == 5


def test_an_empty_shard(tmp_path):
    view = shard_view(write_view_shard(tmp_path, fields=0))
    write_shard_view(tmp_path / "000", view, "test/000")
    _, content, columns = decoded(tmp_path / "000/cells.js")
    assert content["ids"] == []
    assert all(len(column) == 0 for column in columns.values())


def test_every_cell_and_field_has_a_picture_if_asked_for(shards):
    none = ViewPictures(confident=0, uncertain=0, disagree=0, random=0, sample=0)
    few = SETTINGS.model_copy(update={"pictures": none, "fields": 0})
    assert not shard_view(shards[0], few).picture_numbers.any()
    every = shard_view(shards[0], few, every=True)
    assert sorted(every.picture_numbers) == list(range(1, len(every.cells) + 1))
    assert every.field_pictures.all()


def test_the_budget_is_what_is_written(shards, tmp_path):
    rules = EnsembleRules(ENSEMBLE, CLASSES, CLASSES.index("Negative"))
    files = dict(zip(("test/000", "test/001"), shards, strict=True))
    words = write_budget(tmp_path / "budget.csv", files, rules, SETTINGS)
    table = pd.read_csv(tmp_path / "budget.csv").set_index(["dataset", "kind"])
    sizes: dict[str, float] = {}
    pictures = 0
    for name, shard in files.items():
        folder = tmp_path / name.replace("/", "-")
        write_shard_view(folder, shard_view(shard, shards=2), name)
        pictures += json.loads((folder / "shard.json").read_text())["pictures"]
        for path in folder.iterdir():
            kind = path.name.split("-")[0].split(".")[0]
            sizes[kind] = sizes.get(kind, 0) + path.stat().st_size / 1e6
    assert table.loc[("test", "pictures of cells"), "number"] == pictures
    assert f"pictures of {pictures} cells" in words[0]
    # Sizes are measured on all of so few cells and fields, but for the head of a chunk and of a file.
    for kind, name in (("sheet", "pictures of cells"), ("field", "pictures of fields")):
        assert table.loc[("test", name), "mb"] == pytest.approx(sizes[kind], rel=0.15)
    assert table.loc[("all", "all"), "mb"] == pytest.approx(
        table.loc["test"].drop("all")["mb"].sum(), abs=1e-5
    )


@pytest.mark.parametrize(
    ("levels", "black", "white"),
    [
        # Noise of an empty channel stays dark.
        (np.tile([2, 3, 4, 5], 2500), 1, 41),
        # An even background is black, and specks of a thousandth do not count.
        (np.repeat([26, 150, 255], [9000, 990, 10]), 26, 150),
        # Staining that fills the field is not taken for background.
        (np.repeat([90, 100], [5000, 5000]), 25, 100),
        (np.full(10_000, 255), 63, 255),
        (np.zeros(10_000), 0, 40),
    ],
)
def test_display_range(levels, black, white):
    image = np.repeat(levels.astype(np.uint8).reshape(100, 100, 1), 4, axis=2)
    low, high = display_range(image)
    assert (set(low), set(high)) == ({black}, {white})


def test_sets_of_many_classes_take_more_numbers():
    shown = np.zeros((2, 40), bool)
    shown[0, [0, 30, 31]] = shown[1, 39] = True
    assert class_masks(shown).tolist() == [1 | 1 << 30, 0, 1, 1 << 8]
    assert class_masks(shown[:, :31]).tolist() == [1 | 1 << 30, 0]

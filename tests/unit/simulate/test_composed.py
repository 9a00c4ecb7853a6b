"""Fields composed of images of single cells: masks, classes, the split of groups, and what is refused."""

from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.cell_images import HEADER, write_cell, write_cells
from helpers.scores import decode_mask
from pydantic import ValidationError

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.errors import UserError
from puzzlecell.simulate.cell_folder import CellImage, read_cell_folder, split_cells
from puzzlecell.simulate.composed import compose_field, kinds_of
from puzzlecell.simulate.cut_cell import cut_cell, turned
from puzzlecell.simulate.dataset import simulate_dataset

CLASSES = ["Cytosol", "Golgi", "Negative"]
QUIET = {"noise": 0, "background": 0, "unevenness": 0, "blur": 0, "intensity_spread": 0}
ROWS = [
    ("a1", "Cytosol", "p1"),
    ("a2", "Cytosol", "p2"),
    ("b1", "Golgi", "p3"),
    ("b2", "Golgi", "p4"),
    ("ab1", "Cytosol|Golgi", "p5"),
    ("ab2", "Golgi|Cytosol", "p6"),
    ("n1", "Negative", "p7"),
    ("n2", "Negative", "p8"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_cells(tmp_path_factory.mktemp("own") / "cells", ROWS)


def settings(folder, **changes) -> SimulationSettings:
    given = {"size": 128, "cells": (3, 6), "fields": 12, "bit_depth": 8, **QUIET, **changes}
    return SimulationSettings(cells_from=str(folder), **given)


def test_masks_and_truth_show_where_which_cell_lies(folder, tmp_path):
    chosen = settings(folder, true_masks=True)
    for threads in (1, 2):
        simulate_dataset(
            tmp_path / f"{threads}/train",
            chosen,
            3,
            labelled=True,
            classes=CLASSES,
            negative="Negative",
            threads=threads,
        )
    first, second = (
        {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in (tmp_path / "1", tmp_path / "2")
    )
    assert first == second

    labels = pd.read_csv(tmp_path / "1/train/labels.csv", dtype=str).set_index("ID")["Label"]
    truth = pd.read_csv(tmp_path / "1/train/truth.csv").set_index("ID")["PredictionString"]
    # Each cell has its own level of green, which tells its classes; the first cells of each pair go to training.
    classes_of = {20: {"0"}, 60: {"1"}, 100: {"0", "1"}, 140: {"2"}}
    seen = Counter()
    for name, text in truth.items():
        words = text.split()
        shown: dict[str, set[str]] = {}
        for label, _, mask in zip(words[::3], words[1::3], words[2::3], strict=True):
            shown.setdefault(mask, set()).add(label)
        cells = cv2.imread(str(tmp_path / f"1/train/cells/{name}_cells.png"), cv2.IMREAD_UNCHANGED)
        green = cv2.imread(str(tmp_path / f"1/train/images/{name}_green.png"), cv2.IMREAD_UNCHANGED)
        assert 3 <= len(shown) == cells.max() <= 6
        assert not (tmp_path / f"1/train/cells/{name}_nuclei.png").exists()
        assert not green[cells == 0].any()
        for number, (mask, classes) in enumerate(shown.items(), start=1):
            body = decode_mask(mask, 128, 128)
            np.testing.assert_array_equal(body, cells == number)
            level = int(np.median(green[body > 0]))
            assert classes == classes_of[level]
            seen[level] += 1
            # An ellipse of 13 x 10 pixels, up to a tenth larger or smaller.
            assert 0.75 * np.pi * 130 < body.sum() < 1.35 * np.pi * 130
        assert set(labels[name].split("|")) == set().union(*shown.values())
    assert set(seen) == set(classes_of)


def test_fields_of_one_kind_have_the_stated_share_of_negative_cells_and_others_none(folder):
    chosen = settings(folder, patterns_per_field=(1, 0, 0), not_expressing=(0.4, 0.4), cells=(5, 5), size=256)
    training, _ = split_cells(read_cell_folder(folder, CLASSES), CLASSES, folder)
    kinds = kinds_of(training, chosen, 2)
    for index in range(6):
        field = compose_field("x", index, chosen, 1, kinds=kinds)
        shown = Counter(field.cell_labels)
        if field.labels != [2]:
            assert shown.pop((2,)) == 2
            assert list(shown.values()) == [3]
    several = settings(folder, patterns_per_field=(0, 1, 0), negative_fields=0, size=256)
    fields = [compose_field("x", index, several, 1, kinds=kinds) for index in range(6)]
    assert all((2,) not in field.cell_labels and len(set(field.cell_labels)) == 2 for field in fields)


def test_a_shown_kind_keeps_its_label_without_a_negative_class(folder):
    chosen = settings(folder, patterns_per_field=(1, 0, 0))
    cells = read_cell_folder(folder, CLASSES)
    field = compose_field("x", 0, chosen, 1, kinds=kinds_of(cells, chosen, None))
    assert len(set(field.cell_labels)) == 1


def test_a_cell_is_cut_out_scaled_and_turned(tmp_path):
    write_cell(tmp_path, "c", dtype=np.uint16, side=60)
    # Dirt that is no part of the cell, and a hole in it.
    red = cv2.imread(str(tmp_path / "c_red.png"), cv2.IMREAD_UNCHANGED)
    red[2:5, 2:5], red[28:33, 20:23] = 30000, 0
    cv2.imwrite(str(tmp_path / "c_red.png"), red)
    (tmp_path / "cells.csv").write_text("name,class\nc,0\n")
    [cell] = read_cell_folder(tmp_path, CLASSES)
    signal, body = cut_cell(cell, 0.5, 0.055)
    # Half axes 20 and 15 pixels at half the scale.
    assert body.sum() == pytest.approx(np.pi * 10 * 7.5, rel=0.1)
    assert body.shape == signal.shape[:2] == (body.any(axis=1).sum(), body.any(axis=0).sum())
    assert not signal[~body].any()
    assert np.median(signal[body], axis=0)[1] == pytest.approx(120 / 255 / 0.8, rel=0.01)
    sizes = {turned(signal, body, np.random.default_rng(seed))[1].shape for seed in range(8)}
    assert len(sizes) > 4


def cell(name, classes, group):
    return CellImage(name, (), classes, group)


def test_groups_are_divided_half_and_half_in_each_class():
    cells = [
        cell(f"{g}{i}", (c,), g) for c in (0, 1) for g in [f"{c}-{n}" for n in range(5 + c)] for i in (1, 2)
    ]
    train, test = split_cells(cells, CLASSES, "x")
    assert not {c.group for c in train} & {c.group for c in test}
    groups = [Counter(c.classes for c in side if c.name.endswith("1")) for side in (train, test)]
    assert groups[0][(0,)] == 3
    assert groups[1][(0,)] == 2
    assert groups[0][(1,)] == groups[1][(1,)] == 3
    assert [c.name for c in split_cells(cells[::-1], CLASSES, "x")[0]] == [c.name for c in train][::-1]


def test_groups_with_several_classes_reach_both_sides():
    # The first group of class 1 goes to training for class 0; its second must then go to the other side.
    cells = [cell("a", (0,), "g1"), cell("b", (1,), "g1"), cell("c", (0,), "g2"), cell("d", (1,), "g3")]
    train, test = split_cells(cells, CLASSES, "x")
    assert {c.name for c in train} == {"a", "b"}
    assert {c.name for c in test} == {"c", "d"}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("name\na1\n", "column class is missing"),
        (HEADER, "no cells; expected a row such as a1,Cytosol"),
        (HEADER + "a1,Cytosol,g\na1,Golgi,h\n", "the name 'a1' occurs twice"),
        (HEADER + ",Cytosol,g\n", "line 2: no name"),
        (HEADER + "a1,Cytosl,g\n", "line 2: cell a1 has label 'Cytosl', which is no class"),
        (HEADER + "a1,7,g\n", "line 2: cell a1 has unknown label 7; expected 0 to 2"),
        (
            HEADER + "gone,Cytosol,g\n",
            "cell gone: there is no gone_red.png, gone_green.png, gone_blue.png, gone_",
        ),
        (HEADER + "half,Cytosol,g\n", "cell half: there is no half_yellow.png, and no JPEG"),
        (
            HEADER + "a1,Cytosol,g\na2,Cytosol,g\nb1,Golgi,h\nb2,Golgi,i\n",
            "class Cytosol: 1 group(s), which all go to the training sets; expected at least two",
        ),
        (
            HEADER + "a1,0,g\na2,0,h\nempty,1,i\nb1,1,j\n",
            "there is no cell: 0 connected pixels have at least 0.055",
        ),
    ],
)
def test_cells_that_cannot_be_used_are_named(tmp_path, table, expected):
    for name in ("a1", "a2", "b1", "b2", "empty", "half"):
        write_cell(tmp_path / "cells", name)
    (tmp_path / "cells/half_yellow.png").unlink()
    for channel in ("red", "blue", "yellow"):
        cv2.imwrite(str(tmp_path / f"cells/empty_{channel}.png"), np.zeros((40, 40), np.uint8))
    (tmp_path / "cells/cells.csv").write_text(table)
    with pytest.raises(UserError) as caught:
        simulate_dataset(tmp_path / "train", settings(tmp_path / "cells"), 1, labelled=True, classes=CLASSES)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cells": (20, 20)}, "no field with room for at least 20 cells"),
        ({"cell_scale": 2.0}, "or raise size (48)"),
    ],
)
def test_cells_that_find_no_room_are_an_error(folder, changes, expected):
    chosen = settings(folder, size=48, **changes)
    kinds = kinds_of(read_cell_folder(folder, CLASSES), chosen, None)
    with pytest.raises(UserError) as caught:
        compose_field("x", 0, chosen, 1, kinds=kinds)
    assert expected in str(caught.value)


def test_negative_cells_that_do_not_exist_cannot_be_asked_for(folder):
    cells = [cell for cell in read_cell_folder(folder, CLASSES) if cell.classes != (2,)]
    with pytest.raises(UserError, match="no cell is of the negative class, but negative_fields asks"):
        kinds_of(cells, settings(folder, negative_fields=0.2), 2)
    with pytest.raises(UserError, match="all cells are of the negative class"):
        kinds_of(
            [cell for cell in read_cell_folder(folder, CLASSES) if cell.classes == (2,)], settings(folder), 2
        )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"cells_from": "x", "coverage": 1.0}, "coverage: has no effect with cells_from"),
        ({"cells_from": "x", "overlap": 3}, "overlap: has no effect with cells_from"),
        ({"cell_scale": 0.5}, "cell_scale: has no effect with drawn cells"),
    ],
)
def test_settings_without_an_effect_are_refused(given, expected):
    with pytest.raises(ValidationError, match=expected):
        SimulationSettings(**given)

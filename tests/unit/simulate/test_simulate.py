"""Simulated data sets: reproducibility, consistency of labels and ground truth, channels, cells and settings."""

import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.scores import decode_mask
from pydantic import ValidationError

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.simulate import patterns as hpa
from puzzlecell.simulate.dataset import simulate_dataset
from puzzlecell.simulate.field import field_id, simulate_field

SMALL = {"size": 96, "cells": (3, 5), "fields": 5}


def settings(**changes) -> SimulationSettings:
    return SimulationSettings(**{**SMALL, **changes})


def files(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def triplets(text: str) -> list[tuple[int, str, str]]:
    words = text.split(" ")
    return [(int(words[i]), words[i + 1], words[i + 2]) for i in range(0, len(words), 3)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "train"
    simulate_dataset(folder, settings(fields=24, true_masks=True), seed=5, labelled=True)
    return folder


# Files


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    simulate_dataset(tmp_path / "a" / "train", settings(), seed=1, labelled=True)
    simulate_dataset(tmp_path / "b" / "train", settings(), seed=1, labelled=True, threads=2)
    assert files(tmp_path / "a" / "train") == files(tmp_path / "b" / "train")


def test_more_fields_leave_the_first_ones_unchanged(tmp_path):
    simulate_dataset(tmp_path / "a" / "train", settings(fields=3), seed=1, labelled=True)
    simulate_dataset(tmp_path / "b" / "train", settings(fields=6), seed=1, labelled=True)
    few, many = files(tmp_path / "a" / "train"), files(tmp_path / "b" / "train")
    for name in ("labels.csv", "truth.csv"):
        assert many.pop(name).startswith(few.pop(name))
        assert many.pop(f"{name}.checksum") != few.pop(f"{name}.checksum")
    assert len(few) == 12
    assert few.items() <= many.items()


@pytest.mark.parametrize("other", [("train", 2), ("test", 1)])
def test_another_seed_and_another_name_give_other_fields(other):
    first = simulate_field("train", 0, settings(), 1)
    assert not np.array_equal(first.image, simulate_field(other[0], 0, settings(), other[1]).image)


def test_a_data_set_has_four_channels_per_field_and_its_tables(dataset):
    labels = pd.read_csv(dataset / "labels.csv", dtype=str)
    assert list(labels.columns) == ["ID", "Label"]
    assert len(labels) == labels.ID.nunique() == 24
    expected = {f"{i}_{c}.png" for i in labels.ID for c in ("red", "green", "blue", "yellow")}
    assert {p.name for p in (dataset / "images").iterdir()} == expected
    truth = pd.read_csv(dataset / "truth.csv")
    assert list(truth.columns) == ["ID", "ImageWidth", "ImageHeight", "PredictionString"]
    assert list(truth.ID) == list(labels.ID)
    assert set(truth.ImageWidth) == set(truth.ImageHeight) == {96}


def test_image_labels_are_the_union_over_the_cells(dataset):
    labels = pd.read_csv(dataset / "labels.csv", dtype=str).set_index("ID").Label
    truth = pd.read_csv(dataset / "truth.csv").set_index("ID").PredictionString
    for name in labels.index:
        shown = {label for label, _, _ in triplets(truth[name])}
        assert labels[name] == "|".join(map(str, sorted(shown)))


def test_ground_truth_decodes_to_the_label_images(dataset):
    truth = pd.read_csv(dataset / "truth.csv").set_index("ID").PredictionString
    for name, text in truth.items():
        cells = cv2.imread(str(dataset / "cells" / f"{name}_cells.png"), cv2.IMREAD_UNCHANGED)
        nuclei = cv2.imread(str(dataset / "cells" / f"{name}_nuclei.png"), cv2.IMREAD_UNCHANGED)
        assert cells.dtype == nuclei.dtype == np.uint16
        assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()
        masks = list(dict.fromkeys(mask for _, _, mask in triplets(text)))
        assert len(masks) == cells.max() == len(np.unique(nuclei)) - 1
        assert {confidence for _, confidence, _ in triplets(text)} == {"1"}
        decoded = np.array([decode_mask(mask, 96, 96) for mask in masks])
        assert (decoded.sum(axis=0) <= 1).all()
        np.testing.assert_array_equal(decoded, cells == np.arange(1, len(masks) + 1)[:, None, None])


def test_a_test_set_has_no_labels_and_true_masks_are_optional(tmp_path):
    simulate_dataset(tmp_path / "test", settings(fields=2), seed=1, labelled=False)
    assert (tmp_path / "test" / "labels.csv").read_text() == "ID\nsim_test_A1_1\nsim_test_A1_2\n"
    assert (tmp_path / "test" / "truth.csv").is_file()
    assert not (tmp_path / "test" / "cells").exists()


def test_progress_counts_the_fields(tmp_path):
    seen = []
    simulate_dataset(
        tmp_path / "x", settings(fields=3), 1, labelled=True, progress=lambda *done: seen.append(done)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_zero_threads_are_refused(tmp_path):
    with pytest.raises(ValueError, match="threads: found 0"):
        simulate_dataset(tmp_path / "x", settings(), 1, labelled=True, threads=0)


def test_opencv_keeps_its_number_of_threads(tmp_path):
    before = cv2.getNumThreads()
    simulate_dataset(tmp_path / "x", settings(fields=1), 1, labelled=True)
    assert cv2.getNumThreads() == before


def test_field_names_count_wells_and_positions():
    two = settings(fields_per_well=2)
    assert field_id("train", 0, two) == "sim_train_A1_1"
    assert field_id("train", 1, two) == "sim_train_A1_2"
    assert field_id("train", 24, two) == "sim_train_B1_1"
    assert field_id("t", 12 * 26 * 2 + 3, two) == "sim_t_AA2_2"
    assert len({field_id("t", i, two) for i in range(20000)}) == 20000


# Channels


@pytest.mark.parametrize(("bits", "dtype", "least"), [(16, np.uint16, 20000), (8, np.uint8, 80)])
def test_bit_depth_and_range_of_the_files(tmp_path, bits, dtype, least):
    simulate_dataset(tmp_path / "x", settings(fields=1, bit_depth=bits), seed=1, labelled=True)
    for channel in ("red", "blue", "yellow"):
        image = cv2.imread(str(tmp_path / "x" / "images" / f"sim_x_A1_1_{channel}.png"), cv2.IMREAD_UNCHANGED)
        assert image.dtype == dtype
        assert image.shape == (96, 96)
        assert image.max() > least
        assert len(np.unique(image)) > (2000 if bits == 16 else 100)


def test_eight_and_sixteen_bits_show_the_same_field():
    deep = simulate_field("x", 0, settings(bit_depth=16), 1).image / 65535
    flat = simulate_field("x", 0, settings(bit_depth=8), 1).image / 255
    assert np.abs(deep - flat).max() <= 0.51 / 255 + 0.5 / 65535 + 1e-9


def test_reference_channels_mark_the_cells():
    for index in range(4):
        field = simulate_field("x", index, settings(size=256, cells=(6, 14)), 3)
        red, _, blue, yellow = (field.image[..., c].astype(float) for c in range(4))
        inside, nucleus = field.cells > 0, field.nuclei > 0
        assert red[inside].mean() > 2 * red[~inside].mean()
        assert yellow[inside & ~nucleus].mean() > 2 * yellow[~inside].mean()
        assert blue[nucleus].mean() > 5 * blue[~nucleus].mean()


@pytest.mark.parametrize(
    ("change", "measure"),
    [
        ({"noise": 0.1}, lambda f: f.image[..., 1][f.cells == 0].std()),
        ({"background": 0.2}, lambda f: f.image[..., 1][f.cells == 0].mean()),
        ({"unspecific": 0.5, "negative_fields": 1.0}, lambda f: f.image[..., 1][f.cells > 0].mean()),
        ({"coverage": 1.9}, lambda f: (f.cells > 0).mean()),
        ({"blur": 0.0}, lambda f: np.abs(np.diff(f.image[..., 0].astype(float), axis=0)).mean()),
        ({"intensity_spread": 1.2}, lambda f: np.std(np.log(_nuclear_light(f)))),
        ({"unevenness": 0.9}, lambda f: np.std(_corners(f)) / np.mean(_corners(f))),
    ],
)
def test_each_image_setting_has_the_expected_effect(change, measure):
    base = {
        "coverage": 0.8,
        "unspecific": 0.02,
        "noise": 0.01,
        "blur": 1.5,
        "size": 128,
    }
    base |= {"unevenness": 0.1, "intensity_spread": 0.1, "background": 0.05, "negative_fields": 0.5}
    plain = np.mean([measure(simulate_field("x", i, settings(**base), 2)) for i in range(6)])
    changed = np.mean([measure(simulate_field("x", i, settings(**base | change), 2)) for i in range(6)])
    assert changed > 1.2 * plain


def _nuclear_light(field) -> np.ndarray:
    sums = np.bincount(field.nuclei.ravel(), field.image[..., 2].ravel())
    return (sums / np.bincount(field.nuclei.ravel()))[1:]


def _corners(field) -> np.ndarray:
    """Mean background of each quarter of the field."""
    dark = np.where(field.cells == 0, field.image[..., 3].astype(float), np.nan)
    half = len(dark) // 2
    return np.array([np.nanmean(part) for rows in (dark[:half], dark[half:]) for part in np.hsplit(rows, 2)])


# Cells


def test_fields_have_the_requested_cells_some_touching_some_cut():
    touching = cut = cells = 0
    for index in range(10):
        field = simulate_field("x", index, SimulationSettings(), 4)
        assert 6 <= len(field.cell_labels) <= 14
        assert len(field.cell_labels) == field.cells.max()
        labels = field.cells.astype(int)
        for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            meeting = (a != b) & (a * b > 0)
            touching += len(set(map(tuple, np.sort([a[meeting], b[meeting]], axis=0).T.tolist())))
        border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        cut += len(set(border.tolist()) - {0})
        cells += labels.max()
        assert 0.6 < (labels > 0).mean() < 0.97
    assert touching > 0.5 * cells
    assert 0.15 < cut / cells < 0.75


def test_each_cell_is_connected_and_sufficiently_in_view():
    for index in range(6):
        field = simulate_field("x", index, SimulationSettings(), 4)
        for number in range(1, field.cells.max() + 1):
            body = (field.cells == number).astype(np.uint8)
            assert cv2.connectedComponents(body, connectivity=4)[0] == 2
            assert body.sum() > 900
            assert (field.nuclei == number).sum() > 100


def test_no_cell_has_less_in_view_than_the_minimum_share():
    areas = {}
    for share in (0.1, 0.7):
        chosen = settings(
            cells=(6, 6), coverage=0.9, smallest_cell=share, patterns_per_field=(1, 0, 0), size=128
        )
        fields = [simulate_field("x", i, chosen, 1) for i in range(20)]
        fields = [f.cells for f in fields if hpa.SPINDLE not in f.labels]
        # Of six cells, each would cover 0.15 of the field.
        areas[share] = np.concatenate([np.bincount(f.ravel())[1:] for f in fields]) / (0.15 * 128**2)
    assert areas[0.7].min() >= 0.7
    assert 0.1 <= areas[0.1].min() < 0.6


@pytest.mark.parametrize(
    ("size", "cells"), [(32, (1, 2)), (64, (2, 4)), (64, (6, 14)), (512, (1, 1)), (256, (30, 34))]
)
def test_small_large_and_crowded_fields_can_be_simulated(size, cells):
    for index in range(8):
        field = simulate_field("x", index, settings(size=size, cells=cells), 1)
        assert field.image.shape == (size, size, 4)
        assert cells[0] <= field.cells.max() == len(field.cell_labels) <= cells[1]


def test_cells_that_cannot_be_placed_are_an_error():
    with pytest.raises(ValueError, match="no field with at least 40 cells"):
        simulate_field("x", 0, settings(cells=(40, 40), smallest_cell=0.9), 1)


def test_spindle_fields_show_dividing_cells_where_the_spindle_is_expressed():
    index = next(i for i in range(60) if hpa.SPINDLE in simulate_field("m", i, settings(), 1).labels)
    field = simulate_field("m", index, SimulationSettings(), 1)
    area = np.bincount(field.nuclei.ravel(), minlength=len(field.cell_labels) + 1)[1:]
    dividing = np.array([hpa.SPINDLE in shown for shown in field.cell_labels])
    assert area[dividing].mean() < 0.6 * area[~dividing].mean()


def test_dim_cells_lose_red_and_yellow_and_all_else_stays():
    quiet = {"noise": 0.0, "background": 0.0, "unevenness": 0.0, "blur": 0.0}
    plain = simulate_field("train", 1, settings(**quiet), 1)
    dim = simulate_field("train", 1, settings(**quiet, dim_cells=1.0, dimmest=0.2), 1)
    np.testing.assert_array_equal(plain.cells, dim.cells)
    np.testing.assert_array_equal(plain.image[..., 1:3], dim.image[..., 1:3])
    factors = []
    for channel in (0, 3):
        for number in range(1, plain.cells.max() + 1):
            stained = (plain.image[..., channel] > 5000) & (plain.image[..., channel] < 65535)
            inside = (plain.cells == number) & stained
            ratio = dim.image[inside, channel] / plain.image[inside, channel]
            assert np.ptp(ratio) < 0.01
            factors.append(ratio.mean())
    assert 0.2 <= min(factors) < max(factors) <= 1
    assert len(np.unique(np.round(factors, 3))) == len(factors)


# Settings


def test_all_problems_of_the_settings_are_reported_together():
    with pytest.raises(ValidationError) as caught:
        SimulationSettings(cells=(9, 3), not_expressing=(0.2, 0.8), patterns_per_field=(0.5, 0.5, 0.5))
    for name in ("cells: found 9 to 3", "not_expressing: found 0.2 to 0.8", "patterns_per_field: the shares"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"fields": 0}, {"bit_depth": 12}, {"noise": -1}, {"feilds": 3}, {"size": 8}]
)
def test_settings_out_of_range_or_unknown_are_refused(wrong):
    with pytest.raises(ValidationError):
        SimulationSettings(**wrong)


def test_the_settings_import_nothing_heavy():
    code = (
        "import sys, puzzlecell.config.simulation as s\n"
        "print([m for m in ('torch', 'cv2', 'timm', 'albumentations') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

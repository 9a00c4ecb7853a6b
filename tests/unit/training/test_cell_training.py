"""Training on crops of cells: what the network is shown, what it is compared with, and how it is resumed."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.cell_data import BOXES, cell_run, write_targets
from helpers.training_data import CLASSES, STATEFUL, assert_equal, silent

from puzzlecell.config.augmentation import LIGHT, NONE, REFERENCE, GeometrySettings
from puzzlecell.config.steps import Step2Settings
from puzzlecell.config.training import LossSettings, SamplerSettings
from puzzlecell.data.cell_crops import crop_geometry, cut_cells, pool_under
from puzzlecell.data.chance import read_held_out
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet, write_parquet
from puzzlecell.errors import UserError
from puzzlecell.network.puzzle import PuzzleOutput
from puzzlecell.training.augment import BLACK, REFLECTED, Augmenter
from puzzlecell.training.cell_crops import CroppedCells, read_under_cells
from puzzlecell.training.dataloaders import make_loaders
from puzzlecell.training.losses import ComboLoss
from puzzlecell.training.metrics import validation_metrics
from puzzlecell.training.run import CellData, TrainingError, cell_table, check_table
from puzzlecell.training.sampler import cell_weights, field_weights
from puzzlecell.training.setup import make_fabric
from puzzlecell.training.train import train

NAN = np.nan


@pytest.fixture(scope="module")
def cells(training_fields, tmp_path_factory):
    """Shards of fields and of label images, and the targets of the cells."""
    store, fields = training_fields
    return store, *write_targets(tmp_path_factory.mktemp("cells"), store, fields)


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    train(cell_run(*cells, output, STATEFUL), silent)
    return output


@pytest.mark.parametrize(
    "settings",
    [{}, {"mask": "none", "padding": "field"}, {"mask": "outside", "margin": 0.5}, {"scale": "enlarged"}],
)
def test_crops_equal_those_of_step_2(cells, settings):
    store, masks, _ = cells
    geometry = crop_geometry(Step2Settings(**settings), 64, 48)
    reader, labels = ShardReader([store]), ShardReader([masks])
    crops, shares = cut_cells(reader.read("f03"), labels.read("f03", "cells"), geometry)
    cut = CroppedCells(reader, CellData([masks], geometry), ["f03"] * 3, list(BOXES))
    # The second time, the field is remembered.
    for row in (2, 0, 1, 2):
        np.testing.assert_array_equal(cut.crop(row), np.dstack([crops[row], shares[row]]))


def test_a_cell_that_the_label_image_lacks(cells):
    store, masks, _ = cells
    geometry = crop_geometry(Step2Settings(), 64, 48)
    cut = CroppedCells(ShardReader([store]), CellData([masks], geometry), ["f03"], [3])
    with pytest.raises(UserError, match=r"masks.h5: field f03 has no cell 3; found 3 cells"):
        cut.crop(0)


def test_held_out_cells_are_those_of_the_fold_and_cells_of_no_fold_are_trained_on(cells, tmp_path):
    run = cell_run(*cells, tmp_path)
    batches, training, validation = make_loaders(run, make_fabric(run))
    table = read_parquet(cells[2])
    assert len(validation.dataset) == (table["fold"] == 1).sum()
    shown = training.dataset.cells
    assert set(shown.ids) == set(table.loc[table["fold"] != 1, "ID"])
    assert "f00" in shown.ids
    batches.epoch, batches.first_step = 0, 0
    batch = next(iter(training))
    assert batch.images.shape == (4, 32, 32, 4)
    assert batch.shares.shape == (4, 32, 32)
    assert batch.shares.dtype == torch.uint8


def test_nothing_is_reflected_into_a_crop_filled_up_with_black(cells, tmp_path):
    """Reflected, a cell at the edge of its crop would be seen twice."""
    none = {name: 0.0 for name in GeometrySettings.model_fields if name.endswith("weight")}
    only = {"p": 1.0, "shift": 0.5, "rotate": 0.0, "scale": 0.0, "shift_scale_rotate_weight": 1.0}
    shift = REFERENCE.geometry.model_copy(update={**none, **only})
    crop = np.full((32, 32, 5), 200, np.uint8)
    sums = {}
    for border in (BLACK, REFLECTED):
        augmenter = Augmenter(NONE.model_copy(update={"geometry": shift}), 32, seed=0, border=border)
        sums[border] = np.mean([augmenter.with_share(crop, 0, position)[1] for position in range(8)])
    assert sums[REFLECTED] == 200 > sums[BLACK] + 40
    run = cell_run(*cells, tmp_path)
    assert make_loaders(run, make_fabric(run))[1].dataset.augmenter.border == BLACK


@pytest.mark.parametrize("settings", [LIGHT, REFERENCE], ids=["light", "reference"])
def test_the_share_moves_with_the_image(settings):
    """A bright cell on black: wherever it goes, its share goes; noise and tone change the image only."""
    settings = settings.model_copy(
        update={
            name: getattr(settings, name).model_copy(update={"p": 0.0}) for name in ("noise", "blur", "tone")
        }
    )
    crop = np.zeros((64, 64, 5), np.uint8)
    crop[10:40, 8:26] = (200, 200, 200, 200, 255)
    augmenter, moved = Augmenter(settings, 64, seed=3, border=BLACK), 0
    for position in range(12):
        image, share = augmenter.with_share(crop, 1, position)
        assert image.shape == (64, 64, 4)
        # Distortions interpolate the image linearly and the share by the nearest pixel.
        assert ((image[..., 0] > 100) != (share > 127)).mean() < 0.02
        moved += not np.array_equal(share, crop[..., 4])
        again, its_share = augmenter.with_share(crop, 1, position)
        assert np.array_equal(again, image)
        assert np.array_equal(its_share, share)
    assert moved > 6


def test_noise_leaves_the_share_alone():
    noisy = NONE.model_copy(update={"noise": REFERENCE.noise.model_copy(update={"p": 1.0})})
    crop = np.full((64, 64, 5), 100, np.uint8)
    image, share = Augmenter(noisy, 64, seed=3).with_share(crop, 0, 0)
    assert not np.array_equal(image, crop[..., :4])
    assert np.array_equal(share, crop[..., 4])


def test_logits_under_the_cell_equal_those_of_step_2():
    random = np.random.default_rng(0)
    maps = random.normal(size=(3, 5, 4, 4)).astype(np.float32)
    shares = random.integers(0, 256, (3, 64, 64)).astype(np.uint8)
    shares[0, 20:] = 0
    shares[1] = 0
    output = PuzzleOutput(torch.zeros(3, 5), torch.from_numpy(maps), None, None)
    found = read_under_cells(output, torch.from_numpy(shares)).logits.numpy()
    np.testing.assert_allclose(found, pool_under(maps, shares), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], maps[1].mean((1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["bce", "focal"])
def test_classes_that_do_not_count_are_left_out_of_the_loss(kind):
    """The loss of a cell and its gradient are those of the classes that count alone."""
    settings = LossSettings(kind=kind, label_smoothing=0.1)
    logits = torch.tensor([[0.3, -2.0, 1.0]], requires_grad=True)
    maps = torch.zeros(1, 3, 2, 2)
    labels = torch.tensor([[0.7, NAN, 0.0]])
    found = ComboLoss(settings, partly=True)(PuzzleOutput(logits, maps, None, None), labels)
    few = PuzzleOutput(logits[:, [0, 2]].detach(), maps[:, :2], None, None)
    torch.testing.assert_close(found.total, ComboLoss(settings)(few, labels[:, [0, 2]]).total)
    found.total.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert bool((logits.grad[0, [0, 2]] != 0).all())


def test_a_sure_cell_of_a_rare_class_is_drawn_often_and_a_faint_one_rarely():
    """By hand: counts 2.5 and 0.75, class weights 0.4 and 4/3, the rarer one caps."""
    targets = np.array([[1, 0], [1, NAN], [0.5, 0.25], [0, 0.5], [0, 0]])
    weights = cell_weights(targets, SamplerSettings(kind="capped", cap_rank=1))
    expected = [0.4, 0.4, 0.5 * 0.4 + 0.25 * 4 / 3, 0.5 * 4 / 3, 0.4]
    np.testing.assert_allclose(weights, expected)
    inverse = cell_weights(targets, SamplerSettings(kind="inverse", clip=(0.01, 100)))
    by_class = 1.625 / np.array([2.5, 0.75])
    np.testing.assert_allclose(
        inverse, [by_class[0]] * 2 + [0.25 * by_class[1], 0.5 * by_class[1], 0.25 * by_class[1]]
    )


@pytest.mark.parametrize("kind", ["capped", "inverse", "none"])
def test_certain_targets_are_sampled_like_labels_of_fields(kind):
    labels = np.random.default_rng(0).integers(0, 2, (30, 6))
    settings = SamplerSettings(kind=kind)
    found, expected = cell_weights(labels, settings), field_weights(labels, settings)
    assert np.array_equal(found, expected) if kind != "none" else found is expected is None


def test_metrics_leave_out_what_does_not_count():
    truth = np.array([[1, 0], [0, 1], [NAN, 1], [0, 0]])
    probabilities = np.array([[0.6, 0.1], [0.3, 0.8], [0.9, 0.7], [0.2, 0.3]])
    found = validation_metrics(truth, probabilities)
    assert found["ap00"] == found["ap01"] == found["f1_samples"] + 0.25 == 1
    assert validation_metrics(np.nan_to_num(truth), probabilities)["ap00"] == 0.5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.drop(columns="p02"), "2 classes, expected 3"),
        (lambda t: t.assign(fold=9), "fold 9, expected 0 to 2"),
        (lambda t: t.assign(ID="g" + t["ID"]), "24 fields are not in the store, such as gf00"),
    ],
)
def test_targets_that_do_not_fit(cells, tmp_path, change, problem):
    write_parquet(tmp_path / "targets.parquet", change(read_parquet(cells[2])))
    with pytest.raises(TrainingError, match=problem):
        cell_table([tmp_path / "targets.parquet"], 2, [cells[0]], CLASSES)


def test_cells_without_a_class_that_counts_are_left_out(cells, tmp_path):
    table = read_parquet(cells[2])
    table.loc[4, ["p00", "p01", "p02"]] = NAN
    write_parquet(tmp_path / "targets.parquet", table)
    found = cell_table([tmp_path / "targets.parquet"], 2, [cells[0]], CLASSES)
    assert len(found) == table[["p00", "p01", "p02"]].notna().any(axis=1).sum() < len(table)
    check_table(cell_run(*cells[:2], tmp_path / "targets.parquet", tmp_path))


def test_a_training_on_cells_writes_what_one_on_fields_does(trained, cells):
    assert {"model.safetensors", "history.csv", "curves.png", "oof.csv"} <= {
        path.name for path in trained.iterdir()
    }
    history = pd.read_csv(trained / "history.csv")
    assert np.isfinite(history[["loss", "train_loss", "map", "cells_per_s"]].to_numpy()).all()
    held_out = pd.read_csv(trained / "oof.csv", dtype={"Label": str}, keep_default_na=False)
    expected = read_parquet(cells[2]).query("fold == 1")
    assert held_out[["ID", "cell"]].values.tolist() == expected[["ID", "cell"]].values.tolist()
    targets = held_out[["t00", "t01", "t02"]].replace("", NAN).astype(float)
    np.testing.assert_allclose(targets, expected[["p00", "p01", "p02"]], atol=1e-6)
    labels, probabilities = read_held_out(trained / "oof.csv", 3)
    assert np.array_equal(labels, targets >= 0.5)
    assert probabilities.shape == labels.shape


def test_two_trainings_give_the_same_files(trained, cells, tmp_path):
    train(cell_run(*cells, tmp_path, STATEFUL), silent)
    assert_equal(tmp_path, trained)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (trained, tmp_path)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("step", [2, 12])
def test_a_stopped_training_on_cells_resumes_as_if_it_never_stopped(trained, cells, tmp_path, step):
    sent = []

    def stop(done, total, text=""):
        if done == step and not text and not sent:
            sent.append(done)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        train(cell_run(*cells, tmp_path, STATEFUL), stop)
    assert not (tmp_path / "model.safetensors").exists()
    done_again = []
    train(cell_run(*cells, tmp_path, STATEFUL), lambda done, total, text="": done_again.append(done))
    assert min(done_again) > step
    assert_equal(tmp_path, trained)


def test_reading_over_the_canvas_is_another_training(trained, cells, tmp_path):
    run = cell_run(*cells, tmp_path, STATEFUL)
    train(
        run.__class__(**{**run.__dict__, "cells": CellData([cells[1]], run.cells.geometry, "canvas")}), silent
    )
    assert (tmp_path / "oof.csv").read_bytes() != (trained / "oof.csv").read_bytes()

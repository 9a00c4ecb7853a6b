"""A training with a frozen backbone: features are computed once, and the classifier learns from them."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.training_data import CLASSES, SIZE, STATEFUL, assert_equal, make_run, silent, weights

from puzzlecell.config.training import merged
from puzzlecell.data.feature_maps import check_encoder, view_name, views_of
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.inference import features as feature_module
from puzzlecell.inference.features import size_in_words, write_features
from puzzlecell.inference.tta import turn, turn_back
from puzzlecell.network.cam_network import load_network
from puzzlecell.network.frozen import HeadNetwork, encoder_digest, feature_shape
from puzzlecell.network.network_file import read_network_file
from puzzlecell.network.starting import starting_encoder, starting_network
from puzzlecell.training.checkpoint import load_state
from puzzlecell.training.sampler import epoch_order, field_weights
from puzzlecell.training.train import train

FROZEN = {
    "network": {"frozen": True},
    "input": {"crop_size": 64},
    "features": {"flip": False},
    "puzzle": {"pieces": 0},
    "augmentation": "none",
    "optimiser": {"learning_rate": 1e-2},
}
ALL_VIEWS = {"features": {"flip": True, "rotate": True}}


@pytest.fixture(scope="module")
def keep(training_fields, tmp_path_factory):
    """A function that computes features with changed settings and returns their shard and the table of fields."""
    folder, made = tmp_path_factory.mktemp("features"), {}

    def features(changes=None):
        changes = merged(FROZEN, changes or {})
        if str(changes) not in made:
            path = folder / f"{len(made)}.h5"
            settings = make_run(*training_fields, folder, changes).settings
            write_features(path, training_fields[0], settings)
            made[str(changes)] = path
        return made[str(changes)], training_fields[1]

    return features


def frozen_run(keep, output, changes=None, **given):
    changes = changes or {}
    shown = {key: value for key, value in changes.items() if key in ("features", "network", "seed")}
    return make_run(*keep(shown), output, merged(FROZEN, changes), **given)


def test_it_equals_a_training_whose_backbone_has_a_learning_rate_of_zero(training_fields, keep, tmp_path):
    """The whole network learns from the images, in evaluation mode, with fields in the same order."""
    run = frozen_run(
        keep, tmp_path, {"epochs": 3, "optimiser": {"name": "adam"}, "schedule": {"kind": "constant"}}
    )
    train(run, silent)
    store, table = training_fields
    reader, kept = ShardReader([store]), table[table["fold"] == 2]
    images = torch.stack([torch.from_numpy(reader.read(one)).permute(2, 0, 1) for one in kept["ID"]])
    labels = torch.tensor(kept[CLASSES].to_numpy(np.float32))
    torch.manual_seed(run.settings.seed)
    network = starting_network(run.settings, CLASSES, None).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    groups = [
        {"params": network.backbone.parameters(), "lr": 0.0},
        {"params": network.classifier.parameters(), "lr": 1e-2},
    ]
    optimiser = torch.optim.Adam(groups)
    chances, after = field_weights(labels.numpy(), run.settings.sampler), []
    for epoch in range(3):
        order = epoch_order(len(kept), chances, 12, run.settings.seed, epoch)
        for rows in np.split(order, 3):
            logits = network(images[rows])[0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        after.append(network.classifier.weight.detach().clone())
    found = weights(tmp_path)
    expected = after[read_network_file(tmp_path / "model.safetensors")["epoch"] - 1]
    # Features are rounded to 11 significant bits.
    difference = (found["classifier.weight"] - expected).abs().mean()
    assert difference < 0.01 * (expected - before["classifier.weight"]).abs().mean()
    for name, tensor in network.state_dict().items():
        if name.startswith("backbone"):
            assert torch.equal(found[name], before[name]), name
            assert torch.equal(found[name], tensor), name


def test_the_checkpoint_is_complete_and_gives_the_held_out_predictions(training_fields, keep, tmp_path):
    train(frozen_run(keep, tmp_path, ALL_VIEWS), silent)
    network, reader = load_network(tmp_path / "model.safetensors"), ShardReader([training_fields[0]])
    predictions = pd.read_csv(tmp_path / "oof.csv", index_col="ID")
    for field_id in predictions.index[:3]:
        image = torch.from_numpy(reader.read(field_id)).permute(2, 0, 1)[None]
        with torch.no_grad():
            found = network(image)[0].sigmoid()[0].numpy()
        # Validation sees features of 11 significant bits.
        np.testing.assert_allclose(predictions.loc[field_id, ["p00", "p01", "p02"]], found, atol=2e-3)
    history = pd.read_csv(tmp_path / "history.csv")
    assert (history[["train_tiles", "train_consistency", "tiles", "consistency"]] == 0).all(axis=None)


def test_each_view_is_that_of_the_turned_field_turned_back(training_fields, keep):
    path, _ = keep(ALL_VIEWS)
    run = make_run(*training_fields, path.parent, merged(FROZEN, ALL_VIEWS))
    network, reader = starting_encoder(run.settings, None), ShardReader([path])
    assert views_of(reader) == 8
    image = torch.from_numpy(ShardReader([training_fields[0]]).read("f03")).permute(2, 0, 1)[None]
    for number in range(8):
        view = (number >= 4, number % 4)
        with torch.no_grad():
            expected = turn_back(network.features(turn(image, view)), view)[0].numpy()
        found = reader.read("f03", view_name(number))
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert found.shape == feature_shape(run.settings)


def test_features_are_computed_batch_by_batch(training_fields, keep, tmp_path, monkeypatch):
    sizes = []
    compute = feature_module.feature_maps

    def counted(network, fields, *given):
        sizes.append(len(fields))
        return compute(network, fields, *given)

    monkeypatch.setattr(feature_module, "feature_maps", counted)
    run = make_run(*training_fields, tmp_path, merged(FROZEN, {"validation_batch_size": 7}))
    write_features(tmp_path / "other.h5", training_fields[0], run.settings)
    assert sizes == [7, 7, 7, 3]
    readers = [ShardReader([path]) for path in (tmp_path / "other.h5", keep()[0])]
    for field_id in readers[0].ids:
        found, expected = (reader.read(field_id, "view0").astype(float) for reader in readers)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_a_stopped_training_resumes_and_its_state_has_no_backbone(keep, tmp_path):
    changes = {**STATEFUL, "augmentation": "none", **ALL_VIEWS, "input": {"crop_size": 32}}
    train(frozen_run(keep, tmp_path / "whole", changes), silent)
    sent = []

    def stop(done, total, text=""):
        if done == 4 and not sent:
            sent.append(done)
            os.kill(os.getpid(), signal.SIGTERM)

    run = frozen_run(keep, tmp_path / "stopped", changes)
    with pytest.raises(SystemExit):
        train(run, stop)
    state, _ = load_state(tmp_path / "stopped/last.ckpt", run.fingerprint)
    assert list(state["network"]) == ["classifier.weight"]
    done_again = []
    train(run, lambda done, total, text="": done_again.append(done))
    assert min(done_again) > 4
    assert_equal(tmp_path / "stopped", tmp_path / "whole")


def test_early_stopping_and_learning(keep, tmp_path):
    changes = {"epochs": 30, "optimiser": {"learning_rate": 3e-2}, "early_stop": 2, "best_metric": "map"}
    train(frozen_run(keep, tmp_path, changes), silent)
    history = pd.read_csv(tmp_path / "history.csv")
    assert len(history) == history["map"].idxmax() + 3 < 30
    assert history["train_full"].iloc[-1] < history["train_full"].iloc[0]


def test_the_encoder_of_another_stage_keeps_its_statistics(training_fields, uninterrupted, keep, tmp_path):
    parent = uninterrupted / "model.safetensors"
    run = frozen_run(keep, tmp_path, {"network": {"drop_rate": 0.2}}, init_from=parent)
    with pytest.raises(DamagedFileError, match="features of another backbone"):
        train(run, silent)
    path = tmp_path / "features.h5"
    write_features(path, training_fields[0], run.settings, init_from=parent)
    train(
        make_run(
            path,
            training_fields[1],
            tmp_path,
            merged(FROZEN, {"network": {"drop_rate": 0.2}}),
            init_from=parent,
        ),
        silent,
    )
    found, expected = weights(tmp_path), weights(uninterrupted)
    assert all(torch.equal(found[name], expected[name]) for name in found if name != "classifier.weight")
    assert not torch.equal(found["classifier.weight"], expected["classifier.weight"])


def test_the_backbone_stays_in_evaluation_mode(keep, tmp_path):
    run = frozen_run(keep, tmp_path)
    head = HeadNetwork(starting_network(run.settings, CLASSES, None)).train()
    assert head.network.training
    assert not any(module.training for module in head.network.backbone.modules())
    assert [name for name, weight in head.named_parameters() if weight.requires_grad] == [
        "network.classifier.weight"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 3},
        {"network": {"backbone": "resnet10t"}},
        {"network": {"output_stride": 32, "stride_by": "dilate"}},
        {"input": {"field_size": 32, "crop_size": 32}},
    ],
)
def test_the_digest_of_an_encoder_changes_with_what_decides_its_features(training_fields, tmp_path, changes):
    digests = []
    for given in ({}, changes):
        settings = make_run(*training_fields, tmp_path, merged(FROZEN, given)).settings
        digests.append(encoder_digest(starting_encoder(settings, None)))
    assert digests[0] != digests[1]


def test_features_that_float16_cannot_hold_are_refused(training_fields, tmp_path, monkeypatch):
    store, table = training_fields
    run = make_run(store, table, tmp_path, FROZEN)
    compute = feature_module.feature_maps

    def spoilt(network, fields, *given):
        for maps in compute(network, fields, *given):
            maps[1] = np.inf
            yield maps

    monkeypatch.setattr(feature_module, "feature_maps", spoilt)
    with pytest.raises(UserError, match=r"field f01: the features of test_resnet are not finite"):
        write_features(tmp_path / "000.h5", store, run.settings)
    assert not (tmp_path / "000.h5").exists()


def test_images_in_place_of_features_are_refused(training_fields, tmp_path):
    with pytest.raises(DamagedFileError, match="cannot be read as HDF5"):
        train(make_run(*training_fields, tmp_path, FROZEN), silent)


def test_features_of_another_backbone_are_refused(tmp_path):
    write_shard(
        tmp_path / "000.h5", ["a"], {"view0": np.zeros((1, 2, 3, 3), np.float16)}, {"encoder": "aaaa"}
    )
    check_encoder([tmp_path / "000.h5"], "aaaa")
    with pytest.raises(
        DamagedFileError, match="features of another backbone, aaaa; that of this training is bbbb"
    ):
        check_encoder([tmp_path / "000.h5"], "bbbb")


@pytest.mark.parametrize(("changes", "views"), [({}, 1), ({"features": {"flip": True}}, 2), (ALL_VIEWS, 8)])
def test_the_size_is_what_the_arrays_take(training_fields, tmp_path, changes, views):
    settings = make_run(*training_fields, tmp_path, merged(FROZEN, changes)).settings
    features, height, width = feature_shape(settings)
    assert (height, width) == (SIZE // 16, SIZE // 16)
    size = 5000 * views * features * 16 * 2 / 1e6
    assert size_in_words(5000, settings) == (
        f"features of 5,000 fields in {views} {'view' if views == 1 else 'views'}, each {features} x 4 x 4 numbers of "
        f"16 bits: {size:,.1f} MB at most"
    )

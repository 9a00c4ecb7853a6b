import numpy as np
import pytest
from helpers.inference_data import CLASSES, MASK, write_data, write_network
from skimage.transform import resize

from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.activation_maps import WHOLE
from puzzlecell.data.resize import sized_field
from puzzlecell.data.store import ShardReader
from puzzlecell.inference.class_maps import MapStage, class_maps, write_class_maps
from puzzlecell.inference.predict import load_networks, predict
from puzzlecell.inference.step1 import step1_tables


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    store, masks = write_data(folder)
    networks = [write_network(folder / f"{seed}.safetensors", seed, weight=8) for seed in range(3)]
    fine = write_network(folder / "fine.safetensors", 9, stride=8, weight=8)
    return store, masks, networks, fine


def written(path, files, stages, settings, **chosen):
    store = ShardReader([files[0]])
    flags = {name: np.array([True] * len(CLASSES)) for name in store.ids} | chosen
    shown = {}
    write_class_maps(
        path,
        store,
        flags,
        stages,
        settings,
        classes=len(CLASSES),
        show=lambda name, maps: shown.update({name: maps}),
    )
    return ShardReader([path]), shown


@pytest.mark.parametrize("settings", [{"average": "maps"}, {"average": "scores"}, {"tta": {"flip": True}}])
def test_cells_read_in_the_maps_have_the_scores_of_step_1(tmp_path, files, settings):
    """A single network: its scores come from this one map."""
    given = Step1Settings(max_classes="all", quantile=0.9, batch_size=2, **settings)
    store, masks, (model, *_), _ = files
    maps, _ = written(tmp_path / "maps.h5", files, [MapStage([model], 2.0)], given)
    cells, fields = step1_tables(store, masks, [model], given, negative=None)
    cells = cells.set_index(["ID", "cell"])
    compared = 0
    for field_id, *probabilities in fields.itertuples(index=False):
        labels = ShardReader([masks]).read(field_id, "cells")
        for index, p in enumerate(probabilities):
            activation = resize(maps.read(field_id, "maps")[index] / WHOLE, (MASK, MASK), order=1)
            whole = np.quantile(activation, 0.9)
            for cell in np.unique(labels[labels > 0]).tolist():
                in_cell = np.quantile(activation[labels == cell], 0.9)
                expected = np.clip(in_cell * p / whole, 0, p) if in_cell > 0 else 0
                expected = expected if expected > given.keep_ratio * p and p > given.probability_floor else 0
                # Stored maps are rounded to 1 / 65535.
                assert cells.loc[(field_id, cell), f"p{index:02d}"] == pytest.approx(expected, abs=1e-3)
                compared += expected > 0
    assert compared > 10


@pytest.mark.parametrize("average", ["maps", "scores"])
def test_maps_are_means_over_folds_and_weighted_means_over_members(files, average):
    store, _, (one, two, three), fine = files
    settings = Step1Settings(average=average)
    reader = ShardReader([store])
    stages = [MapStage([one, two], 1.0), MapStage([three], 2.0), MapStage([fine], 1.0)]
    found = dict(class_maps(reader, reader.ids, stages, settings))
    assert list(found) == reader.ids

    def scaled(maps):
        positive = np.maximum(maps, 0)
        most = positive.max(axis=(1, 2), keepdims=True)
        return np.maximum(positive - 1e-5, 0) / (most + 1e-5)

    def member(paths, field_id):
        networks = load_networks(paths, "cpu")
        image = sized_field(reader.read(field_id), networks[0].field_size)[None]
        maps = [predict(network, image, settings.tta, "cpu")[1][0] for network in networks]
        return (
            scaled(np.mean(maps, axis=0)) if average == "maps" else np.mean([scaled(m) for m in maps], axis=0)
        )

    for field_id, maps in found.items():
        first, second, last = (member(paths, field_id) for paths in ([one, two], [three], [fine]))
        coarse = np.stack([resize(part, last.shape[1:], order=1) for part in (first + 2 * second) / 4])
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps, coarse + last / 4, atol=1e-5)


def test_only_chosen_classes_of_chosen_fields_are_kept(tmp_path, files):
    store, _, (model, *_), _ = files
    reader = ShardReader([store])
    chosen = {reader.ids[3]: np.array([True, False, True, False]), reader.ids[0]: np.array([False] * 4)}
    stages = [MapStage([model], 1.0)]
    path = tmp_path / "test/000.h5"
    write_class_maps(path, reader, chosen, stages, Step1Settings(), classes=4)
    found = ShardReader([path])
    assert found.ids == list(chosen)
    assert found.column("chosen").tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    whole = dict(class_maps(reader, [reader.ids[3]], stages, Step1Settings()))[reader.ids[3]]
    kept = found.read(reader.ids[3], "maps")
    np.testing.assert_allclose(kept[[0, 2]] / WHOLE, whole[[0, 2]], atol=1 / WHOLE)
    assert whole[[0, 2]].max() > 0.9
    assert not kept[[1, 3]].any()
    assert not found.read(reader.ids[0], "maps").any()


def test_a_shard_without_chosen_fields_is_empty(tmp_path, files):
    write_class_maps(tmp_path / "0.h5", ShardReader([files[0]]), {}, [], Step1Settings(), classes=4)
    assert ShardReader([tmp_path / "0.h5"]).ids == []
    assert ShardReader([tmp_path / "0.h5"]).column("chosen").shape == (0, 4)

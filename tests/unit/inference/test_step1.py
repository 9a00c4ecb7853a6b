import numpy as np
import pandas as pd
import pytest
from helpers.inference_data import labels, write_data, write_network
from skimage.transform import resize
from step1 import example, plain_step1

from puzzlecell.config.steps import Step1Settings
from puzzlecell.inference.step1 import (
    cell_numbers,
    enlarged,
    interpolation,
    step1_scores,
    step1_shard,
    step1_tables,
    upper_quantile,
)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_classes", [2, 19])
def test_scores_equal_the_published_loop(seed, max_classes):
    maps, logits, cells = example(classes=7, cells=9, size=96, seed=seed)
    settings = Step1Settings(max_classes=max_classes)
    expected = plain_step1(maps, logits, cells, settings, 6, places=False)
    found = step1_scores(maps, logits, cells, settings, 6)
    assert found.dtype == np.float32
    # Float32 maps of up to 1: sums of four products differ by a few 1e-7.
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.count_nonzero(found) > 5
    assert np.count_nonzero(found[:, :6].any(axis=0)) <= max_classes


@pytest.mark.parametrize("option", ["probability_floor", "quantile", "keep_ratio", "max_classes"])
def test_every_setting_acts_as_in_the_published_loop(option):
    changed = {"probability_floor": 0.3, "quantile": 0.5, "keep_ratio": 0.6, "max_classes": 1}[option]
    maps, logits, cells = example(classes=7, cells=9, size=96, seed=1)
    settings = Step1Settings(**{option: changed})
    found = step1_scores(maps, logits, cells, settings, 6)
    np.testing.assert_allclose(found, plain_step1(maps, logits, cells, settings, 6, places=False), atol=1e-5)
    assert not np.allclose(found, step1_scores(maps, logits, cells, Step1Settings(), 6))


def two_cells():
    cells = np.zeros((8, 8), np.uint16)
    cells[:, :3], cells[:, 5:] = 1, 2
    return cells


def test_a_map_over_one_cell_gives_it_the_class_and_the_other_negative():
    maps = np.zeros((3, 8, 8), np.float32)
    maps[0, :, :3] = 5
    found = step1_scores(maps, np.array([2.0, -9, -1]), two_cells(), Step1Settings(), 2)
    p = 1 / (1 + np.exp(-np.array([2.0, -1])))
    np.testing.assert_allclose(found, [[p[0], 0, 0], [0, 0, p[1]]], atol=1e-6)
    without = step1_scores(maps, np.array([2.0, -9, -1]), two_cells(), Step1Settings(), None)
    np.testing.assert_allclose(without, [[p[0], 0, 0], [0, 0, 0]], atol=1e-6)


def test_all_maps_below_zero_reject_every_pair():
    maps = np.full((3, 4, 4), -1, np.float32)
    found = step1_scores(maps, np.array([1.0, 0, -1]), two_cells(), Step1Settings(), 2)
    np.testing.assert_allclose(found, [[0, 0, 1 / (1 + np.exp(-1))]] * 2, rtol=1e-6)


def test_no_probable_class_gives_one_minus_the_largest_probability():
    found = step1_scores(
        np.ones((2, 4, 4), np.float32), np.array([-6.0, -7]), two_cells(), Step1Settings(), 1
    )
    np.testing.assert_allclose(found[:, 1], 1 - 1 / (1 + np.exp(6)), rtol=1e-6)


def test_no_cell_one_cell_and_one_pixel():
    maps, logits = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32), np.zeros(4)
    assert step1_scores(maps, logits, np.zeros((50, 50), np.uint16), Step1Settings(), 3).shape == (0, 4)
    pixel = np.zeros((50, 50), np.uint16)
    pixel[20, 31] = 60000
    one = step1_scores(maps, logits, pixel, Step1Settings(), 3)
    np.testing.assert_allclose(
        one, plain_step1(maps, logits, pixel, Step1Settings(), 3, places=False), atol=1e-5
    )
    whole = np.ones((50, 50), np.uint16)
    full = step1_scores(maps, logits, whole, Step1Settings(), 3)
    np.testing.assert_allclose(
        full, plain_step1(maps, logits, whole, Step1Settings(), 3, places=False), atol=1e-5
    )
    assert cell_numbers(pixel).tolist() == [60000]
    assert cell_numbers(whole).tolist() == [1]


@pytest.mark.parametrize(("size", "target"), [(1, 7), (2, 9), (5, 64), (24, 96), (7, 7)])
def test_interpolation_equals_skimage(size, target):
    image = np.random.default_rng(size).normal(size=(size, size)).astype(np.float32)
    weights = interpolation(size, target)
    expected = resize(image, (target, target), order=1, anti_aliasing=True)
    np.testing.assert_allclose(weights @ image @ weights.T, expected, atol=1e-5)
    np.testing.assert_allclose(enlarged(image, weights, weights), expected, atol=1e-5)


def test_an_oblong_map_is_enlarged_along_its_axes():
    image = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    found = enlarged(image, interpolation(3, 50), interpolation(8, 36))
    np.testing.assert_allclose(found, resize(image, (50, 36), order=1, anti_aliasing=True), atol=1e-5)


@pytest.mark.parametrize("quantile", [0.0001, 0.5, 0.9, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("size", [1, 2, 5, 100, 1600, 30000])
@pytest.mark.parametrize("kind", ["dense", "sparse", "constant", "zero", "few"])
def test_quantile_equals_numpy(quantile, size, kind):
    random = np.random.default_rng(size)
    values = random.uniform(size=size).astype(np.float32)
    if kind == "sparse":
        values *= random.uniform(size=size) < 0.012
    elif kind in ("constant", "zero"):
        values[:] = 0.25 if kind == "constant" else 0
    elif kind == "few":
        values[:-3] = 0
    expected = np.quantile(values.astype(np.float64), quantile)
    assert upper_quantile(values, quantile) == pytest.approx(expected, abs=1e-12)


def run(tmp_path, store, masks, models, name="out", **settings):
    out = tmp_path / f"{name}.parquet"
    images = tmp_path / f"{name}.images.parquet"
    field_ids = settings.pop("field_ids", None)
    if field_ids is not None:
        return step1_tables(store, masks, models, Step1Settings(**settings), negative=3, field_ids=field_ids)
    given = {"store": store, "masks": masks, "models": models, "settings": Step1Settings(**settings)}
    step1_shard(out, images, **given, negative=3)
    return pd.read_parquet(out), pd.read_parquet(images)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("step1")
    models = [write_network(folder / f"{seed}.safetensors", seed) for seed in (1, 2)]
    return *write_data(folder), models


def test_shard_has_every_cell_once_in_order(data, tmp_path):
    store, masks, models = data
    cells, images = run(tmp_path, store, masks, models)
    assert list(cells.columns) == ["ID", "cell", "p00", "p01", "p02", "p03"]
    expected = [(f"field{n}", c) for n in range(5) for c in np.unique(labels(4, n))[1:] if n not in (2, 3)]
    expected += [("field3", 7)]
    assert sorted(zip(cells["ID"], cells["cell"], strict=True)) == sorted(expected)
    assert images["ID"].tolist() == [f"field{n}" for n in range(5)]
    assert (cells.dtypes.iloc[2:] == np.float32).all()
    assert np.unique(cells.iloc[:, 2:]).size > 10


@pytest.mark.parametrize("average", ["maps", "scores"])
def test_batch_size_and_order_of_models_do_not_matter(data, tmp_path, average):
    store, masks, models = data
    first = run(tmp_path, store, masks, models, average=average, batch_size=5)
    for batch_size, paths in ((1, models), (2, models[::-1])):
        again = run(tmp_path, store, masks, paths, average=average, batch_size=batch_size)
        for one, other in zip(first, again, strict=True):
            # At another batch size, convolutions sum in a different order.
            pd.testing.assert_frame_equal(one, other, atol=1e-5, rtol=0)


def test_averages_over_models(data, tmp_path):
    store, masks, models = data
    singles = [run(tmp_path, store, masks, [model], average="scores") for model in models]
    together = run(tmp_path, store, masks, models, average="scores")
    for table in (0, 1):
        columns = ["p00", "p01", "p02", "p03"]
        mean = (singles[0][table][columns] + singles[1][table][columns]) / 2
        pd.testing.assert_frame_equal(together[table][columns], mean, atol=1e-6, rtol=0)
    maps = run(tmp_path, store, masks, models, average="maps")
    assert not np.allclose(maps[0][columns], together[0][columns], atol=1e-3)
    twice = run(tmp_path, store, masks, [models[0]] * 2, average="maps")
    pd.testing.assert_frame_equal(twice[0], singles[0][0], atol=1e-6, rtol=0)


def test_shards_and_chosen_fields_give_the_same_rows(data, tmp_path):
    store, masks, models = data
    other = write_data(tmp_path, 2, "001", first=10)
    together = run(tmp_path, [store, other[0]], [masks, other[1]], models)[0]
    apart = [run(tmp_path, *paths, models)[0] for paths in ((store, masks), other)]
    pd.testing.assert_frame_equal(together, pd.concat(apart, ignore_index=True), atol=1e-5, rtol=0)
    chosen = run(tmp_path, [other[0], store], [masks, other[1]], models, field_ids=["field4", "field11"])[0]
    assert set(chosen["ID"]) == {"field4", "field11"}
    merged = chosen.merge(together, on=["ID", "cell"], validate="one_to_one")
    np.testing.assert_allclose(merged.filter(like="_x"), merged.filter(like="_y"), atol=1e-5)


def test_tta_changes_the_scores(data, tmp_path):
    store, masks, models = data
    plain = run(tmp_path, store, masks, models)[0]
    for tta in ({"flip": True}, {"rotate": True}):
        turned = run(tmp_path, store, masks, models, tta=tta)[0]
        assert not np.allclose(turned.iloc[:, 2:], plain.iloc[:, 2:], atol=1e-3)


def test_progress_counts_fields(data, tmp_path):
    store, masks, models = data
    seen = []
    settings = Step1Settings(batch_size=2)
    step1_tables(store, masks, models, settings, negative=3, progress=lambda *counts: seen.append(counts))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_non_finite_maps_name_field_and_model(data, tmp_path):
    store, masks, models = data
    broken = write_network(tmp_path / "broken.safetensors", weight=float("nan"))
    with pytest.raises(ValueError, match=r"field field0, .*broken.safetensors are not finite"):
        run(tmp_path, store, masks, [models[0], broken])
    assert not (tmp_path / "out.parquet").exists()


def test_mismatched_inputs_are_reported(data, tmp_path):
    store, masks, models = data
    other = write_data(tmp_path, 2, "001", first=10)
    with pytest.raises(ValueError, match=r"without label image in .*000.masks.h5: field10, field11; segment"):
        run(tmp_path, other[0], masks, models)
    with pytest.raises(ValueError, match=r"fields not in .*000.h5: fieldX"):
        run(tmp_path, store, masks, models, field_ids=["fieldX"])
    with pytest.raises(ValueError, match="at least one model"):
        run(tmp_path, store, masks, [])
    small = write_network(tmp_path / "small.safetensors", field_size=32)
    with pytest.raises(ValueError, match=r"small.safetensors: field_size is 32, but 64"):
        run(tmp_path, store, masks, [models[0], small])
    large = write_network(tmp_path / "large.safetensors", field_size=128)
    with pytest.raises(ValueError, match="128 is more than the store's 96 pixels"):
        run(tmp_path, store, masks, [large])

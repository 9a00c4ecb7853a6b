import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.inference_data import MASK, SIZE, labels, write_data, write_network
from scipy.ndimage import find_objects

from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.store import write_shard
from puzzlecell.inference.step2 import as_bytes, step2_shard, step2_table


def test_raw_fields_as_bytes():
    field = np.zeros((2, 2, 4), np.uint16)
    field[0, 0] = (0, 257, 65535, 128)
    whole, low = (np.array([[0, top]] * 4, np.float32) for top in (65535, 255))
    assert as_bytes(field, whole)[0, 0].tolist() == [0, 1, 255, 0]
    assert as_bytes((field % 256).astype(np.uint16), low)[0, 0].tolist() == [0, 1, 255, 128]
    eight_bit = field.astype(np.uint8)
    np.testing.assert_array_equal(as_bytes(eight_bit, low), eight_bit)
    every = np.arange(65536, dtype=np.uint16).reshape(128, 128, 4)
    np.testing.assert_array_equal(as_bytes(every, whole), every.astype(np.uint32) * 255 // 65535)
    stretched = np.array([[0, 514], [257, 514], [0, 65535], [128, 129]], np.float32)
    assert as_bytes(field, stretched)[0, 0].tolist() == [0, 0, 255, 0]
    assert as_bytes(field / np.float32(65535), whole / 65535)[0, 0].tolist() == [0, 1, 255, 0]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("step2")
    models = [write_network(folder / f"{seed}.safetensors", seed) for seed in (1, 2)]
    return *write_data(folder), models


def run(tmp_path, store, masks, models, *, field_ids=None, images=None, **settings):
    settings = Step2Settings(**settings)
    if field_ids is not None:
        return step2_table(store, masks, models, settings, field_ids=field_ids, images=images)
    given = {"store": store, "masks": masks, "models": models, "settings": settings}
    step2_shard(tmp_path / "out.parquet", **given, images=images)
    return pd.read_parquet(tmp_path / "out.parquet")


def test_shard_has_every_cell_once(data, tmp_path):
    table = run(tmp_path, *data)
    assert list(table.columns) == ["ID", "cell", "p00", "p01", "p02", "p03"]
    expected = [(f"field{n}", c) for n in range(5) for c in np.unique(labels(4, n))[1:] if n not in (2, 3)]
    assert sorted(zip(table["ID"], table["cell"], strict=True)) == sorted([*expected, ("field3", 7)])
    assert not table.iloc[:, 2:].duplicated().any()


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batch_size_does_not_matter(data, tmp_path, batch_size):
    first = run(tmp_path, *data)
    again = run(tmp_path, *data, batch_size=batch_size)
    pd.testing.assert_frame_equal(first, again, atol=1e-5, rtol=0)


def test_shards_and_chosen_fields_give_the_same_rows(data, tmp_path):
    store, masks, models = data
    other = write_data(tmp_path, 2, "001", first=10)
    together = run(tmp_path, [store, other[0]], [masks, other[1]], models)
    apart = [run(tmp_path, *paths, models) for paths in ((store, masks), other)]
    pd.testing.assert_frame_equal(together, pd.concat(apart, ignore_index=True), atol=1e-5, rtol=0)
    chosen = run(tmp_path, [other[0], store], [masks, other[1]], models, field_ids=["field4", "field11"])
    expected = together[together["ID"].isin(["field4", "field11"])]
    merged = chosen.merge(expected, on=["ID", "cell"], validate="one_to_one")
    assert len(merged) == len(chosen) == len(expected)
    np.testing.assert_allclose(merged.filter(like="_x"), merged.filter(like="_y"), atol=1e-5)


def test_a_non_finite_network_names_each_field_once(data, tmp_path):
    store, masks, models = data
    broken = write_network(tmp_path / "broken.safetensors", weight=float("nan"))
    with pytest.raises(ValueError, match=r"^field field0, field1, field3, field4: .*broken.safetensors"):
        run(tmp_path, store, masks, [models[0], broken])
    assert not (tmp_path / "out.parquet").exists()


def test_mean_over_models(data, tmp_path):
    store, masks, models = data
    singles = [run(tmp_path, store, masks, [model]).iloc[:, 2:] for model in models]
    together = run(tmp_path, store, masks, models).iloc[:, 2:]
    pd.testing.assert_frame_equal(together, (singles[0] + singles[1]) / 2, atol=1e-6, rtol=0)


def test_every_setting_changes_the_result(data, tmp_path):
    plain = run(tmp_path, *data).iloc[:, 2:]
    for change in (
        {"scale": "enlarged"},
        {"crop": 64},
        {"margin": 0.5},
        {"mask": "none"},
        {"mask": "outside"},
        {"padding": "field"},
        {"pool": "canvas"},
        {"crop": 64, "canvas": "fitted"},
        {"precision": "bf16"},
        {"tta": {"flip": True}},
        {"tta": {"scales": [1, 1.5]}},
        {"tta": {"rotate": True}},
    ):
        other = run(tmp_path, *data, **change).iloc[:, 2:]
        assert np.abs(other - plain).to_numpy().max() > 1e-6, change


def test_raw_fields(data, tmp_path):
    """16-bit raw PNGs of the stored fields at twice their size give nearly the same result as the store."""
    from puzzlecell.data.store import ShardReader

    store, masks, models = data
    reader = ShardReader([store])
    for field_id in reader.ids:
        image = cv2.resize(reader.read(field_id), (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST)
        for channel, name in enumerate(("red", "green", "blue", "yellow")):
            cv2.imwrite(str(tmp_path / f"{field_id}_{name}.png"), image[..., channel].astype(np.uint16) * 257)
    stored = run(tmp_path, store, masks, models)
    raw = run(tmp_path, store, masks, models, source="raw", images=tmp_path)
    assert (raw[["ID", "cell"]] == stored[["ID", "cell"]]).all(axis=None)
    # Raw crops are cut at whole raw pixels and then resized, which shifts the edges by up to half a pixel.
    np.testing.assert_allclose(raw.iloc[:, 2:], stored.iloc[:, 2:], atol=0.02)
    images = np.stack([reader.read(field_id) for field_id in reader.ids])
    sizes = {name: reader.table[name].to_numpy() for name in ("height", "width")}
    limits = {"low": np.full((len(reader), 4), 20 * 257), "high": np.full((len(reader), 4), 120 * 257)}
    scaled = np.clip((images.astype(float) - 20) / 100 * 255, 0, 255).astype(np.uint8)
    given = {**sizes, "images": scaled}
    write_shard(
        tmp_path / "scaled.h5", reader.ids, given | {k: v.astype(np.float32) for k, v in limits.items()}, {}
    )
    with_limits = run(tmp_path, tmp_path / "scaled.h5", masks, models, source="raw", images=tmp_path)
    from_store = run(tmp_path, tmp_path / "scaled.h5", masks, models)
    np.testing.assert_allclose(with_limits.iloc[:, 2:], from_store.iloc[:, 2:], atol=0.02)
    assert np.abs(with_limits.iloc[:, 2:] - raw.iloc[:, 2:]).to_numpy().max() > 0.02
    with pytest.raises(ValueError, match=r"step2\.source is raw"):
        run(tmp_path, store, masks, models, source="raw")


@pytest.mark.parametrize("padding", ["black", "field"])
def test_each_cell_has_the_smallest_canvas_that_holds_it(data, tmp_path, padding):
    """As on that canvas alone, in the order of the cells; batches have cells of one canvas."""
    store, masks, _ = data
    models = [write_network(tmp_path / "m.safetensors", field_size=96, stride=32)]
    settings = {"padding": padding, "margin": 0.3}
    fitted = run(tmp_path, store, masks, models, crop=96, canvas="fitted", batch_size=3, **settings)
    on = {side: run(tmp_path, store, masks, models, crop=side, **settings) for side in (32, 64, 96)}
    with h5py.File(masks) as file:
        boxes = [box for cells in file["cells"] for box in find_objects(cells) if box is not None]
    sides = []
    for rows, columns in boxes:
        ends = np.array([rows.start, rows.stop, columns.start, columns.stop]).reshape(2, 2) * (96 / MASK)
        margin = 0.3 * np.diff(ends).max()
        wanted = (np.ceil(ends[:, 1] + margin) - np.floor(ends[:, 0] - margin)).max()
        sides.append(next((side for side in (32, 64, 96) if wanted <= side), 96))
    assert set(sides) == {32, 64, 96}
    expected = pd.concat([on[side].iloc[[row]] for row, side in enumerate(sides)])
    pd.testing.assert_frame_equal(fitted, expected, atol=1e-5, rtol=0)

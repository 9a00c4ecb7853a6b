import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.inference_data import write_data, write_network

from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import probability_columns, write_csv, write_parquet
from puzzlecell.inference.out_of_fold import held_out_fields, write_oof
from puzzlecell.inference.out_of_fold_step2 import write_oof_step2
from puzzlecell.inference.step1 import step1_tables
from puzzlecell.inference.step2 import step2_table


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two shards, their cell tables and a model."""
    folder = tmp_path_factory.mktemp("oof")
    shards = [write_data(folder, 5, "000"), write_data(folder, 2, "001", first=10)]
    model = write_network(folder / "model.safetensors")
    tables = []
    for number, (store, masks) in enumerate(shards):
        cells, _ = step1_tables(store, masks, [model], settings=Step1Settings(), negative=3)
        write_parquet(folder / f"{number}.parquet", cells)
        centres = cells[["ID", "cell"]].assign(
            centroid_x=np.arange(len(cells)) + 0.5, centroid_y=100.0 * number, area_px=1
        )
        write_parquet(folder / f"{number}.cells.parquet", centres)
        tables.append(folder / f"{number}.cells.parquet")
    stores, masks = zip(*shards, strict=True)
    return folder, list(stores), list(masks), tables, model


def test_columns_rows_and_values(data, tmp_path):
    folder, stores, masks, cells, model = data
    chosen = ["field11", "field0", "field2"]
    write_oof(
        tmp_path / "oof.csv",
        stores,
        masks,
        cells,
        [model],
        settings=Step1Settings(),
        negative=3,
        field_ids=chosen,
        images_csv=tmp_path / "images.csv",
    )
    table = pd.read_csv(tmp_path / "oof.csv")
    columns = ["ID", "ImageWidth", "ImageHeight", "cell", "centroid_x", "centroid_y", *probability_columns(4)]
    assert list(table.columns) == columns
    assert set(table["ID"]) == {"field11", "field0"}
    assert (table[["ImageWidth", "ImageHeight"]] == 192).all(axis=None)
    step1 = pd.concat([pd.read_parquet(folder / f"{n}.parquet") for n in (0, 1)])
    both = table.merge(step1, on=["ID", "cell"], validate="one_to_one")
    np.testing.assert_allclose(
        both.filter(like="_x").iloc[:, 1:], both.filter(like="_y").iloc[:, 1:], atol=1e-5
    )
    assert table.loc[table["ID"] == "field11", "centroid_y"].eq(100).all()
    assert pd.read_csv(tmp_path / "images.csv")["ID"].tolist() == ["field0", "field2", "field11"]


def test_a_cell_missing_from_the_cell_table_is_an_error(data, tmp_path):
    _, stores, masks, cells, model = data
    with pytest.raises(ValueError, match="not in the cell table, such as field10 cell"):
        write_oof(tmp_path / "o.csv", stores, masks, cells[:1], [model], settings=Step1Settings(), negative=3)


def test_held_out_fields_are_the_stored_ones_of_the_fold(data, tmp_path):
    _, stores, *_ = data
    rows = [("field1", "train", 1), ("field11", "train", 2), ("rejected", "train", 2), ("field3", "other", 2)]
    table = pd.DataFrame([*rows, ("field0", "more", 2)], columns=["ID", "dataset", "fold"])
    write_csv(tmp_path / "folds.csv", table)
    assert held_out_fields(tmp_path / "folds.csv", ["train", "more"], 2, stores) == ["field11", "field0"]


@pytest.mark.parametrize("source", ["store", "raw"])
def test_step_2_of_a_fold_reads_its_own_fields_alone(data, tmp_path, source):
    _, stores, masks, _, model = data
    rows = [("field1", "one", 1), ("field11", "two", 2), ("field0", "one", 2), ("field4", "other", 2)]
    write_csv(tmp_path / "folds.csv", pd.DataFrame(rows, columns=["ID", "dataset", "fold"]))
    settings = Step2Settings(source=source)
    for name, field_id in (("one", "field0"), ("two", "field11")):
        stored = ShardReader(stores).read(field_id)
        for folder in (name, "both"):
            (tmp_path / folder).mkdir(exist_ok=True)
            for channel, plane in zip(CHANNELS, stored.transpose(2, 0, 1), strict=True):
                cv2.imwrite(
                    str(tmp_path / folder / f"{field_id}_{channel}.png"), plane.astype(np.uint16) * 257
                )
    write_oof_step2(
        tmp_path / "cells.parquet",
        store=stores,
        masks=masks,
        model=model,
        folds_csv=tmp_path / "folds.csv",
        fold=2,
        raw={name: RawDataset(tmp_path / name, None, labelled=True) for name in ("one", "two")},
        settings=settings,
    )
    found = pd.read_parquet(tmp_path / "cells.parquet")
    chosen = ["field11", "field0"]
    expected = step2_table(stores, masks, [model], settings, field_ids=chosen, images=tmp_path / "both")
    assert set(found["ID"]) == set(chosen)
    assert list(found.columns) == ["ID", "cell", *probability_columns(4)]
    pd.testing.assert_frame_equal(found, expected)

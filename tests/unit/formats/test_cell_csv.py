"""The compressed table with the names of the classes."""

import gzip

import numpy as np
import pandas as pd
import pytest
from helpers.export_data import CLASSES, write_export_data

from puzzlecell.data.tables import class_columns, write_parquet
from puzzlecell.formats import cell_csv
from puzzlecell.runtime.checksums import check_text

NAMES = ["Nucleoplasm", "class cell", "Golgi, <b>big</b>", "Negative"]
"""Columns of the probabilities: `cell` is the number of the cell."""


@pytest.fixture
def data(tmp_path):
    return write_export_data(tmp_path / "run")


def write(data, path):
    cell_csv.export_csv(path, data.answer, CLASSES, lambda done, total, text="": None)
    return path


def test_columns_have_the_names_of_the_classes(data, tmp_path, monkeypatch):
    monkeypatch.setattr(cell_csv, "ROWS", 5)
    table, read = data.table, pd.read_csv(write(data, tmp_path / "test.csv.gz"))
    assert read["ID"].tolist() == table["ID"].tolist()
    assert read["cell"].tolist() == table["cell"].tolist()
    np.testing.assert_allclose(read[NAMES], table[class_columns(table)], rtol=1e-6)
    np.testing.assert_allclose(
        read[[f"calibrated {name}" for name in CLASSES]], table[class_columns(table)] / 2, rtol=1e-6
    )
    assert read["calls"].tolist() == table["calls"].tolist()
    assert read["metadata quality"].eq("good").all()
    np.testing.assert_allclose(read["quality"], table["border_quality"] * table["outlier_quality"], rtol=1e-6)
    assert read["most_probable"].isna().tolist() == [row == 1 for row in range(len(table))]


def test_files_repeat_to_the_byte_and_have_a_checksum(data, tmp_path):
    first, second = write(data, tmp_path / "a/test.csv.gz"), write(data, tmp_path / "b/other.csv.gz")
    assert first.read_bytes() == second.read_bytes()
    check_text(first)


def test_a_data_set_without_cells_has_a_header(tmp_path):
    data = write_export_data(tmp_path / "run")
    write_parquet(data.answer, data.table.iloc[:0])
    text = gzip.decompress(write(data, tmp_path / "none.csv.gz").read_bytes()).decode()
    assert text.startswith("ID,cell,calls,most_probable")
    assert text.count("\n") == 1

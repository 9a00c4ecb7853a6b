"""Tables with the probabilities of another program: what is taken, and what is refused with the row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from puzzlecell.data.foreign_columns import foreign_columns, table_rows_state
from puzzlecell.data.foreign_predictions import foreign_table, take_shard
from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.tables import probability_columns, read_parquet, write_parquet
from puzzlecell.data.text_tables import TableError

CLASSES = ["Nucleoplasm", "Golgi, big", "Negative"]
COLUMNS = probability_columns(len(CLASSES))
SHARDS = 2
FIELDS = [f"field {number}" for number in range(8)]
CELLS = [1, 2, 5]


def whole():
    """A table of 24 cells, p00 ... as float32."""
    values = np.random.default_rng(0).random((len(FIELDS) * len(CELLS), len(CLASSES)), np.float32)
    table = pd.DataFrame(values, columns=COLUMNS)
    table.insert(0, "ID", pd.array(np.repeat(FIELDS, len(CELLS)), dtype=object))
    table.insert(1, "cell", np.tile(np.array(CELLS, np.int32), len(FIELDS)))
    return table


def cells_of(table, shard):
    mine = [shard_of(field_id, SHARDS) == shard for field_id in table["ID"]]
    return table.loc[mine].reset_index(drop=True)


def saved(path, table):
    """Write as the ending says: CSV (also with semicolons), or Parquet by another program."""
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep=";" if path.stem == "semicolons" else ",")
    return path


def taken(path, shard, cells=None):
    columns = foreign_columns(path, CLASSES)
    wanted = cells_of(whole(), shard)[["ID", "cell"]] if cells is None else cells
    return foreign_table(path, columns, wanted, shard=shard, shards=SHARDS)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "semicolons.csv"])
@pytest.mark.parametrize("named", [True, False])
def test_rows_in_any_order_give_the_cells_in_theirs(tmp_path, name, named):
    table = whole()
    given = table.sample(frac=1, random_state=1).assign(other="x", area=3.5)
    if named:
        given = given.rename(columns=dict(zip(COLUMNS, CLASSES, strict=True)))[
            ["other", *CLASSES[::-1], "cell", "ID"]
        ]
    path = saved(tmp_path / name, given)
    columns = foreign_columns(path, CLASSES)
    assert columns.chosen == tuple(CLASSES if named else COLUMNS)
    assert columns.ignored == (("other",) if named else ("other", "area"))
    for shard in range(SHARDS):
        pd.testing.assert_frame_equal(taken(path, shard), cells_of(table, shard))


def test_kinds_of_columns_that_parquet_has(tmp_path):
    table = whole()
    given = pa.table(
        {
            "ID": pa.array(table["ID"], pa.string()).dictionary_encode(),
            "cell": pa.array(table["cell"], pa.uint16()),
            **{name: pa.array(table[name].astype(np.float64), pa.float64()) for name in COLUMNS},
        }
    )
    pq.write_table(given, tmp_path / "a.parquet")
    for shard in range(SHARDS):
        pd.testing.assert_frame_equal(taken(tmp_path / "a.parquet", shard), cells_of(table, shard))


@pytest.mark.parametrize("index", [["ID"], ["ID", "cell"]])
def test_columns_that_were_an_index_of_pandas_are_columns(tmp_path, index):
    whole().set_index(index).to_parquet(tmp_path / "a.parquet")
    for shard in range(SHARDS):
        pd.testing.assert_frame_equal(taken(tmp_path / "a.parquet", shard), cells_of(whole(), shard))


def test_columns_that_occur_twice_are_refused(tmp_path):
    table = pa.Table.from_pandas(whole(), preserve_index=False)
    path = tmp_path / "a.parquet"
    pq.write_table(table.append_column("p01", table["p02"]), path)
    with pytest.raises(TableError, match=f"{path}: columns that occur twice: 'p01'"):
        foreign_columns(path, CLASSES)
    assert table_rows_state(path, 0, SHARDS, CLASSES) == "the table cannot be used"


def test_the_job_writes_the_table_of_a_shard_and_names_what_it_ignores(tmp_path, caplog):
    path = saved(tmp_path / "a.csv", whole().assign(area=1, comment="-"))
    write_parquet(tmp_path / "cells.parquet", cells_of(whole(), 1)[["ID", "cell"]].assign(area_px=9))
    with caplog.at_level("INFO"):
        take_shard(
            tmp_path / "out.parquet",
            table=path,
            cell_table=tmp_path / "cells.parquet",
            classes=CLASSES,
            shard=1,
            shards=SHARDS,
        )
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "out.parquet"), cells_of(whole(), 1))
    assert "a.csv: columns that are not used: area, comment" in caplog.text


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_shard_without_cells(tmp_path, ending):
    (other,) = {0, 1} - {shard_of(FIELDS[0], SHARDS)}
    path = saved(tmp_path / f"a.{ending}", whole().iloc[:3])
    found = taken(path, other, whole().iloc[:0][["ID", "cell"]])
    assert (len(found), list(found)) == (0, ["ID", "cell", *COLUMNS])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.drop(columns=["cell"]), "column cell missing; found 'ID', 'p00'"),
        (
            lambda t: t.drop(columns=["p01"]),
            "found 2 columns of probabilities, p00 to p02; expected those of the 3 cl",
        ),
        (
            lambda t: t.assign(p03=0.5),
            "found 4 columns of probabilities, p00 to p03; expected those of the 3 classes",
        ),
        (
            lambda t: t.assign(Negative=0.5),
            "has both numbered columns (p00, p01, p02) and columns with names of classes",
        ),
        (
            lambda t: t.rename(columns={"p00": "Nucleoplasm", "p01": "Golgi", "p02": "Negative"}),
            "no column for 1 of the 3 classes: 'Golgi, big'; columns of no class: 'Golgi'",
        ),
        (
            lambda t: t[["ID", "cell"]],
            "no column for 3 of the 3 classes: 'Nucleoplasm', 'Golgi, big', 'Negative'",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_wrong_columns_are_seen_in_the_header(tmp_path, change, expected, ending):
    path = saved(tmp_path / f"a.{ending}", change(whole()))
    with pytest.raises(TableError) as caught:
        foreign_columns(path, CLASSES)
    assert str(caught.value).replace("is missing", "missing").startswith(f"{path}: {expected}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.assign(ID=range(len(t))), "ID is int64, expected text"),
        (lambda t: t.assign(cell=t["cell"] + 0.5), "cell is double, expected whole numbers"),
        (lambda t: t.assign(p01="0.5"), "p01 is "),
    ],
)
def test_wrong_types_are_seen_in_the_header(tmp_path, change, expected):
    path = saved(tmp_path / "a.parquet", change(whole()))
    with pytest.raises(TableError, match=f"{path}: {expected}"):
        foreign_columns(path, CLASSES)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "there is no such table; expected a table with the columns ID, cell and one per class"),
        (b"", "the file is empty"),
        (b"PAR1 and nothing else", "cannot be read as Parquet"),
        (b"ID,cell,p00\xff\n", "not UTF-8"),
    ],
)
def test_other_files_are_refused(tmp_path, content, expected):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=f"{path}: {expected}"):
        foreign_columns(path, CLASSES)
    assert table_rows_state(path, 0, SHARDS, CLASSES) == "the table cannot be used"


def changed(row, name, value):
    def change(table):
        table = table.copy()
        table[name] = table[name].astype(object if isinstance(value, str) else table[name].dtype)
        table.loc[row, name] = value
        return table

    return change


def added(row):
    return lambda table: pd.concat([table, table.iloc[:1].assign(**row)], ignore_index=True)


MINE = shard_of(FIELDS[0], SHARDS)
"""Shard of the first field, cells 1, 2 and 5."""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (changed(1, "p01", np.nan), "{1}: field 'field 0': p01 is {nan}; expected a number from 0 to 1"),
        (changed(1, "p01", 1.5), "{1}: field 'field 0': p01 is {1.5}; expected a number from 0 to 1"),
        (changed(2, "p00", -1e-3), "{2}: field 'field 0': p00 is {-0.001}; expected a number from 0 to 1"),
        (changed(2, "cell", -1), "{2}: field 'field 0': cell is {-1}; expected a whole number from 1"),
        (
            changed(2, "cell", 3),
            "{2}: field 'field 0' has no cell 3 in this run; was the table made with other masks?",
        ),
        (added({"cell": 2}), "{24}: field 'field 0', cell 2 is given twice, first in {1}"),
        (
            lambda table: table.iloc[1:],
            "no row for 1 of {n} cells of these fields: field 0 cell 1; expected a row",
        ),
        (
            lambda table: table.iloc[3:],
            "no row for 3 of {n} cells of these fields: field 0 cell 1, field 0 cell 2",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_wrong_rows_are_named(tmp_path, change, expected, ending):
    path = saved(tmp_path / f"a.{ending}", change(whole()))
    with pytest.raises(TableError) as caught:
        taken(path, MINE)
    # In CSV, rows have the numbers of their lines, and values are shown as they were written.
    for row in (1, 2, 24):
        place = f"line {row + 2}" if ending == "csv" else f"row {row + 1}"
        expected = expected.replace(f"{{{row}}}", place)
    for value in ("nan", "1.5", "-0.001", "-1"):
        text = "" if value == "nan" else value
        expected = expected.replace(f"{{{value}}}", repr(text) if ending == "csv" else value)
    expected = expected.replace("{n}", str(len(cells_of(whole(), MINE))))
    assert f"{path}: {expected}" in str(caught.value)
    # The other shard is not concerned.
    pd.testing.assert_frame_equal(taken(path, 1 - MINE), cells_of(whole(), 1 - MINE))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_unknown_fields_and_texts_are_named(tmp_path, ending):
    unknown = next(f"x{n}" for n in range(9) if shard_of(f"x{n}", SHARDS) == MINE)
    path = saved(tmp_path / f"a.{ending}", added({"ID": unknown})(whole()))
    place = "line 26" if ending == "csv" else "row 25"
    with pytest.raises(TableError, match=f"{place}: field '{unknown}' has no cells in this run"):
        taken(path, MINE)
    if ending == "csv":
        table = whole().astype({"cell": object, "p02": object})
        table.loc[0, ["cell", "p02"]] = ["two", "0,5"]
        saved(path, table)
        with pytest.raises(TableError) as caught:
            taken(path, MINE)
        assert "line 2: field 'field 0': cell is 'two'; expected a whole" in str(caught.value)
        assert "line 2: field 'field 0': p02 is '0,5'; expected a number" in str(caught.value)
    else:
        saved(path, whole().assign(ID=[None, *whole()["ID"][1:]]))
        with pytest.raises(TableError, match="row 1 has no ID"):
            taken(path, MINE)


def test_many_problems_are_cut(tmp_path):
    path = saved(tmp_path / "a.csv", whole().assign(p00=7, p01=7, p02=7))
    with pytest.raises(TableError) as caught:
        taken(path, MINE)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].startswith(f"{path}: and ") and lines[-1].endswith(" more of this kind")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("change", "differ"),
    [
        (lambda table: table.sample(frac=1, random_state=3), set()),
        (changed(0, "p01", 0.125), {MINE}),
        (lambda table: table.iloc[1:], {MINE}),
        (added({"cell": 9}), {MINE}),
        (changed(0, "ID", next(f"x{n}" for n in range(9) if shard_of(f"x{n}", SHARDS) != MINE)), {0, 1}),
        (lambda table: table.drop(columns=["p01"]), {0, 1}),
    ],
)
def test_the_state_of_a_shard_is_that_of_its_rows(tmp_path, ending, change, differ):
    """A column that is not used, and other rows, change nothing; neither does the order."""
    path, other = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    saved(path, whole().assign(extra=1))
    saved(other, change(whole()).assign(extra=2))
    states = [
        [table_rows_state(file, shard, SHARDS, CLASSES) for shard in range(SHARDS)] for file in (path, other)
    ]
    assert {shard for shard in range(SHARDS) if states[0][shard] != states[1][shard]} == differ
    assert len(set(states[0])) == SHARDS

"""The files of the folds, and what is said about wells, groups and fields with the same images."""

import logging

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.data.duplicates import duplicates, read_contents, shared_findings, write_contents
from puzzlecell.data.fold_report import WELL, fold_report, report_lines, torn, wells
from puzzlecell.data.folds import FoldError
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import read_csv, write_csv
from puzzlecell.data.text_tables import TableError
from puzzlecell.data.write_folds import FoldFiles, write_folds

WELLS = [f"{well}_{number}" for well in ("9_A1", "9_A2", "9_B1", "9_B12") for number in range(6)]


@pytest.fixture
def run(tmp_path, caplog):
    """Split label tables of the classes a and b; return the three tables and the warnings in the log."""
    (tmp_path / "classes.csv").write_text("index,name\n0,a\n1,b\n")
    files = FoldFiles(*(tmp_path / f"{name}.csv" for name in ("folds", "report", "warnings")))

    def split(train, additional=None, *, contents=None, antibody=(), **settings):
        antibody = dict(antibody)
        paths = {}
        for name, rows in {**train, **(additional or {})}.items():
            paths[name] = tmp_path / f"{name}.labels.csv"
            text = [f"{field_id},{label},{antibody.get(field_id, '')}" for field_id, label in rows.items()]
            paths[name].write_text("\n".join(["ID,Label,antibody", *text, ""]))
        tables = []
        if contents:
            tables = [tmp_path / "contents.csv"]
            write_csv(tables[0], pd.DataFrame({"ID": list(contents), "content": list(contents.values())}))
        with caplog.at_level(logging.INFO, "puzzlecell"):
            write_folds(
                files,
                train={name: paths[name] for name in train},
                additional={name: paths[name] for name in additional or {}},
                contents=tables,
                classes=tmp_path / "classes.csv",
                settings=FoldSettings(**settings),
            )
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        return (*map(read_csv, (files.folds, files.report, files.warnings)), warnings)

    return split


def labelled(ids):
    return {field_id: number % 2 for number, field_id in enumerate(ids)}


def test_ids_without_a_group_are_warned_of_and_a_useless_group_is_refused(run, tmp_path):
    folds, _, found, warnings = run({"set": labelled([*WELLS, "odd"])}, count=2, group=r"^(.+)_")
    assert "not found in 1 IDs, such as odd" in warnings[0]
    fold = folds.set_index("ID")["fold"]
    assert fold.groupby(fold.index.str.rsplit("_", n=1).str[0]).nunique().max() == 1
    assert found.empty
    (tmp_path / "folds.csv").unlink()
    with pytest.raises(FoldError, match="is found in none of the 25 IDs of set, such as 9_A1_0"):
        run({"set": labelled([*WELLS, "odd"])}, count=2, group="x")
    assert not (tmp_path / "folds.csv").exists()


def test_with_groups_the_log_says_how_many_an_ungrouped_split_tears(run):
    *_, found, warnings = run({"set": labelled(WELLS)}, count=2, group=WELL)
    assert found.empty
    (warning,) = warnings
    assert warning == (
        "set: folds.group keeps 4 groups of several fields together; a split field by field would tear 4 of them"
    )


@pytest.mark.parametrize(
    ("ids", "expected"), [(WELLS, 1), ([f"f{n}" for n in range(24)], 0), (WELLS[::6] * 1, 0)]
)
def test_without_groups_ids_that_look_like_wells_are_warned_of(run, ids, expected):
    _, _, found, warnings = run({"set": labelled(ids)}, count=2)
    assert len(found) == len(warnings) == expected
    if expected:
        assert found[["dataset", "ID"]].to_numpy().tolist() == [["set", ""]]
        what = found["what"].item()
        assert "separate the fields of 4 of 4 wells" in what
        assert f"folds.group: '{WELL}'" in what


def test_equal_images_stay_together_and_other_labels_are_named(run):
    ids = [f"f{n}" for n in range(20)]
    contents = {"f0": "c0ffee", "f2": "c0ffee", "f5": "1e10", "m1": "1e10", "f9": "", "f8": ""}
    more = {"m0": "0", "m1": "0|1", "m2": "1"}
    folds, _, found, warnings = run({"set": labelled(ids)}, {"more": more}, contents=contents, count=2)
    fold = folds.set_index("ID")["fold"]
    assert fold["f0"] == fold["f2"]
    assert fold["f5"] == fold["m1"]
    whole = "fields with the same images as an earlier one: 1 ({}); they are kept in its fold"
    assert found.to_numpy().tolist() == [
        ["set", "", whole.format("f2 = f0")],
        ["more", "", whole.format("m1 = f5")],
        ["more", "m1", "same images as f5 of set, but labelled a|b; there b"],
    ]
    assert len(warnings) == 3
    assert warnings[-1] == "fields with the same images as another, but other labels: 1 (m1)"


def test_fields_of_one_antibody_stay_together_in_all_data_sets(run):
    antibody = {f"f{n}": f"HPA{n // 6}" for n in range(24)} | {"m0": "HPA1", "m1": "HPA9", "f23": ""}
    folds, _, found, warnings = run(
        {"set": labelled(f"f{n}" for n in range(24))},
        {"more": {"m0": "0", "m1": "0", "m2": "1"}},
        antibody=antibody,
        count=2,
        column="antibody",
    )
    fold = folds.set_index("ID")["fold"]
    given = pd.Series({field_id: value for field_id, value in antibody.items() if value})
    assert fold[given.index].groupby(given).nunique().max() == 1
    assert found.empty
    assert warnings[0].startswith("set: folds.column keeps 4 groups of several fields together")
    with pytest.raises(
        TableError, match=r"folds.column: there is no column 'antibodies'; found 'ID', 'Label', "
    ):
        run({"set": labelled("abcd")}, count=2, column="antibodies")
    with pytest.raises(FoldError, match="1 group cannot be split into 2 folds"):
        run({"set": labelled("abcd")}, antibody=dict.fromkeys("abcd", "x"), count=2, column="antibody")


def test_the_report_counts_each_class_in_each_fold(run, caplog):
    labels = pd.DataFrame({"a": [1, 1, 1, 0, 1], "b": [0, 0, 0, 1, 1], "c": 0}, index=list("vwxyz"))
    folds = pd.Series([1, 1, 1, 2, 2], index=list("zyxwv"))
    report = fold_report(labels, folds, 2, "set")
    assert report.to_numpy().tolist() == [
        ["set", "all", 5, 3, 2, 0.5, 20],
        ["set", "a", 4, 2, 2, 0, 0],
        ["set", "b", 2, 2, 0, 1, 100],
        ["set", "c", 0, 0, 0, 0, 0],
    ]
    assert report_lines(report) == [
        "set: 5 fields, in folds of 3, 2",
        "set: farthest from even in a fold: b by 1 of 1 fields (100 %), a by 0 of 2 fields (0 %)",
        "set: no field has c",
    ]
    _, written, _, _ = run({"set": labelled([f"f{n}" for n in range(8)])}, count=2)
    assert written["fold1"].tolist() == [4, 2, 2]
    assert "set: 8 fields, in folds of 4, 4" in caplog.text


def test_torn_groups():
    assert torn(["a", "a", "b", "b", "c"], [1, 2, 1, 1, 2]) == (1, 2)
    assert wells(["1876_A7_32", "1876_A7_33", "800_P12_1", "odd"]) == ["1876_A7", "1876_A7", "800_P12", "odd"]
    assert wells(["train_0", "train_1", "a_b_c"]) is None


def test_contents_come_from_the_checksums_of_the_store_and_blank_fields_have_none(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 8, 8, 4), np.uint8)
    images[2], images[3] = images[0], 0
    contrast = np.full((4, 4), 9, np.uint8)
    contrast[3] = 0
    write_shard(tmp_path / "000.h5", list("wxyz"), {"images": images, "contrast": contrast}, {})
    write_contents(tmp_path / "000.contents.csv", tmp_path / "000.h5")
    contents = read_contents([tmp_path / "000.contents.csv"])
    assert list(contents) == list("wxy")
    assert list(duplicates(contents, "wxyz").values()) == [["w", "y"]]


def test_images_of_training_fields_in_other_sets_are_found():
    trained = {"train": {"f1": "a", "f2": "b"}, "more": {"g1": "a"}}
    (finding,) = shared_findings(trained, {"test": {"t1": "x", "t2": "a"}, "holdout": {"h": "y"}})
    assert (finding.dataset, finding.ID) == ("test", "")
    assert finding.what.startswith(
        "fields with the same images as a training field: 1 of 2 (t2 = f1 of train)"
    )

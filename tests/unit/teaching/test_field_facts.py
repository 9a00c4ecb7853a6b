"""Which fields of a data set are like those that a teacher has seen."""

import pandas as pd
import pytest

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.data.tables import write_csv, write_parquet
from puzzlecell.teaching.fields import field_facts, shared_fields


@pytest.mark.parametrize(
    ("group", "keys", "expected"),
    [
        (None, [], set()),
        ("^(.+)_", [], {"B_2"}),
        (None, [{"A_1": "one", "B_1": "one", "C_3": "two"}], {"A_1"}),
        ("^(.+)_", [{"B_1": "one"}, {"C_3": "same", "B_1": "same"}], {"B_2", "C_3"}),
    ],
)
def test_fields_with_a_group_or_key_in_common(group, keys, expected):
    assert shared_fields(["A_1", "B_2", "C_3"], ["B_1", "D_1"], group=group, keys=keys) == expected


@pytest.fixture
def files(tmp_path):
    """Two data sets with an antibody per field; the images of s2 and t2 are equal."""
    rows = [
        ("t1", "train", 1),
        ("t2", "train", 2),
        ("s1", "second", 2),
        ("s2", "second", 1),
        ("s3", "second", 1),
    ]
    write_csv(tmp_path / "folds.csv", pd.DataFrame(rows, columns=["ID", "dataset", "fold"]))
    (tmp_path / "train.csv").write_text("ID,Label,antibody\nt1,0,X\nt2,1,Y\n")
    (tmp_path / "second.csv").write_text("ID,Label,antibody\ns1,0,X\ns2,1,Z\ns3,0|1,\n")
    content = pd.DataFrame({"ID": ["t1", "t2", "s1", "s2", "s3"], "content": ["", "aa", "bb", "aa", ""]})
    write_csv(tmp_path / "contents.csv", content)
    cells = pd.DataFrame({"ID": ["s1", "s1", "s2", "s3"], "cell": [1, 2, 1, 1]})
    write_parquet(tmp_path / "cells.parquet", cells)
    return tmp_path


@pytest.mark.parametrize(
    ("seen", "column", "expected"),
    [([], "antibody", set()), (["train"], None, {"s2"}), (["train"], "antibody", {"s1", "s2"})],
)
def test_facts_of_a_data_set(files, seen, column, expected):
    facts = field_facts(
        "second",
        labelled=True,
        labels={name: files / f"{name}.csv" for name in ("second", *seen)},
        folds_csv=files / "folds.csv",
        contents=[files / "contents.csv"],
        seen=seen,
        settings=FoldSettings(column=column),
        cell_tables=[files / "cells.parquet"],
        classes=["a", "b"],
    )
    assert facts.shared == expected
    assert facts.fold.to_dict() == {"s1": 2, "s2": 1, "s3": 1}
    assert facts.present.loc[["s1", "s2", "s3"]].to_numpy().tolist() == [[1, 0], [0, 1], [1, 1]]


def test_facts_of_fields_without_labels(files):
    """Their table may have only IDs, or none is there."""
    (files / "more.csv").write_text("ID\ns1\ns2\ns3\n")
    for labels in (
        {"train": files / "train.csv"},
        {"train": files / "train.csv", "more": files / "more.csv"},
    ):
        facts = field_facts(
            "more",
            labelled=False,
            labels=labels,
            folds_csv=files / "folds.csv",
            contents=[files / "contents.csv"],
            seen=["train"],
            settings=FoldSettings(column="antibody"),
            cell_tables=[files / "cells.parquet"],
            classes=["a", "b"],
        )
        assert (facts.fold, facts.present, facts.shared) == (None, None, {"s2"})

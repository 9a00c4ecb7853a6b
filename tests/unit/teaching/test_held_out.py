"""Which graded fields are held out."""

import pandas as pd
import pytest
from helpers.graded_data import CLASSES, write_table

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.config.grades import GradeSettings
from puzzlecell.data.tables import read_csv, write_csv
from puzzlecell.teaching.grades import Grade
from puzzlecell.teaching.held_out import held_out_fields, write_held_out

WELL = "^(w[0-9]+)_"


def grades(*fields, cells=2):
    return [Grade(0, field_id, 0, 5, "", cell=cell + 1) for field_id in fields for cell in range(cells)]


def table(given, group=WELL, together=None, **settings):
    return held_out_fields(given, GradeSettings(**settings), group, together)


def test_whole_groups_are_held_out_until_the_share_is_reached():
    given = {"a": grades(*(f"w{well}_{field}" for well in range(20) for field in range(2)))}
    found = table(given, held_out=0.3, seed=1)
    assert found.groupby("group")["held_out"].nunique().max() == 1
    assert found.loc[found["held_out"] == 1, "group"].nunique() == 6
    assert found["cells"].tolist() == [2] * 40
    other = table(given, held_out=0.3, seed=2)
    assert other["held_out"].tolist() != found["held_out"].tolist()
    # The order of the rows does not matter.
    turned = table({"a": given["a"][::-1]}, held_out=0.3, seed=1)
    assert turned.set_index("ID")["held_out"].to_dict() == found.set_index("ID")["held_out"].to_dict()


def test_a_cell_counts_once_however_often_it_is_graded():
    pixels = [Grade(0, "w1_1", index, 5, "", y=1, x=1) for index in range(3)]
    assert table({"a": [*pixels, *grades("w2_1")]})["cells"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("groups", "held_out", "held"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (3, 0.0, 0)]
)
def test_at_least_one_group_is_held_out_and_one_left(groups, held_out, held):
    found = table({"a": grades(*(f"w{well}_1" for well in range(groups)))}, held_out=held_out)
    assert found["held_out"].sum() == held


def test_groups_reach_over_data_sets_and_joined_fields_stay_together():
    given = {
        "a": grades(*(f"w{well}_1" for well in range(10))),
        "b": grades(*(f"w{well}_2" for well in range(10))),
    }
    # Wells 0 and 1 have equal images.
    found = table(given, together={"w0_1": ["same"], "w1_2": ["same"]}, held_out=0.5)
    assert found.groupby(found["ID"].str.extract(WELL)[0])["held_out"].nunique().max() == 1
    assert found.set_index("ID")["held_out"][["w0_1", "w0_2", "w1_1", "w1_2"]].nunique() == 1


def test_equal_images_and_the_column_of_the_folds_keep_fields_together(tmp_path):
    ids = [f"f{number}" for number in range(8)]
    given = write_table(tmp_path / "g.csv", [f"{field_id},1,,,Cytosol,5," for field_id in ids])
    more = write_table(tmp_path / "m.csv", [f"{field_id},1,,,Cytosol,5," for field_id in ("x", "y", "z")])
    labels = write_table(
        tmp_path / "labels.csv",
        [f"{field_id},1,{number // 2}" for number, field_id in enumerate(ids)],
        "ID,Label,dye",
    )
    tables = [
        write_table(tmp_path / "more.csv", ["x,", "y,9", "z,2"], "ID,dye"),
        write_table(tmp_path / "others.csv", ["y"], "ID"),
    ]
    write_csv(
        tmp_path / "contents.csv",
        pd.DataFrame({"ID": ["f0", "f7", "f4", "x"], "content": ["c", "c", "d", "d"]}),
    )
    classes = write_table(
        tmp_path / "classes.csv", [f"{n},{name}" for n, name in enumerate(CLASSES)], "index,name"
    )
    write_held_out(
        tmp_path / "held_out.csv",
        grades={"train": given, "more": more},
        unlabelled=["more"],
        labels=[labels],
        tables=tables,
        contents=[tmp_path / "contents.csv"],
        classes=classes,
        settings=GradeSettings(held_out=0.5),
        folds=FoldSettings(column="dye"),
    )
    found = read_csv(tmp_path / "held_out.csv").set_index("ID")
    together = [["f0", "f1", "f6", "f7"], ["f2", "f3"], ["f4", "f5"]]
    assert [found.loc[names, "group"].nunique() for names in together] == [1, 1, 1]
    assert found["group"].nunique() == 4
    assert found["group"]["z"] == found["group"]["f5"]
    # No network may learn from x and z, which belong together with fields of a fold; y is like no other.
    assert found["held_out"][["x", "y", "z"]].tolist() == [1, 0, 1]

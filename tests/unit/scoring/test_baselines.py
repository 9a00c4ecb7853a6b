import numpy as np
import pandas as pd

from puzzlecell.config.ensemble import EnsembleMember
from puzzlecell.data.tables import read_parts, write_parquet
from puzzlecell.scoring.baselines import compared_tables

CELLS = pd.DataFrame({"ID": ["a", "a", "b"], "cell": [1, 2, 1]})


def with_values(table, *rows):
    return table.assign(p00=np.float32(rows)[:, 0], p01=np.float32(rows)[:, 1])


def test_compared_tables_by_hand():
    images = with_values(pd.DataFrame({"ID": ["b", "a"]}), (0.1, 0.9), (0.7, 0.3))
    first = with_values(CELLS, (1.0, 0.0), (0.0, 1.0), (0.5, 0.5))
    second = with_values(CELLS, (0.0, 0.0), (0.0, 0.0), (0.5, 1.0))
    crops = with_values(CELLS, (0.2, 0.2), (0.3, 0.3), (0.4, 0.4))
    answer = with_values(CELLS.assign(area_px=5), (0.9, 0.1), (0.1, 0.9), (0.5, 0.5))

    def member(step, weight):
        return EnsembleMember(model="m", stage="s", step=step, weight=weight)

    tables = compared_tables(
        answer, [(member(1, 3), first), (member(1, 1), second), (member(2, 1), crops)], images
    )
    assert list(tables) == ["broadcast", "step1", "step2", "ensemble"]
    np.testing.assert_allclose(tables["broadcast"][["p00", "p01"]], [[0.7, 0.3], [0.7, 0.3], [0.1, 0.9]])
    np.testing.assert_allclose(tables["step1"][["p00", "p01"]], [[0.75, 0], [0, 0.75], [0.5, 0.625]])
    np.testing.assert_allclose(tables["step2"][["p00", "p01"]], crops[["p00", "p01"]])
    np.testing.assert_allclose(tables["ensemble"][["p00", "p01"]], answer[["p00", "p01"]])


def test_shards_are_concatenated_table_by_table(tmp_path):
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.parquet")
        write_parquet(paths[-1], pd.DataFrame({"ID": [f"f{number}"]}))
    assert [table["ID"].tolist() for table in read_parts(paths, 2)] == [["f0", "f1"], ["f2", "f3"]]

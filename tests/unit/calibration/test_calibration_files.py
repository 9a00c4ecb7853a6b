"""The files of a calibration, and what applying them gives."""

import numpy as np
import pandas as pd
import pytest

from puzzlecell.calibration.apply import with_calls
from puzzlecell.calibration.curves import fit_isotonic, fit_platt
from puzzlecell.calibration.run import CalibrationFiles, parts_of, write_calibration
from puzzlecell.config.calibration import CalibrationSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.data.calibration_table import Row, read_calibration
from puzzlecell.data.tables import read_csv
from puzzlecell.errors import UserError

NAMES = ["Nucleus", "Golgi", "Negative"]
SETTINGS = CalibrationSettings(least_cells=10, isotonic_from=100, bins=4)
SCORE = ScoreSettings(bootstrap=20)


def known(cells=400):
    """Overconfident predictions of a common class, of one with fewer cells, and of one that no cell shows."""
    random = np.random.default_rng(3)
    values = random.uniform(0, 1, (cells, 3)).astype(np.float32)
    truth = (random.uniform(size=(cells, 3)) < 0.3 + 0.4 * values).astype(float)
    truth[:, 1] *= random.uniform(size=cells) < 0.3
    truth[:, 2] = 0
    table = pd.DataFrame(values, columns=["p00", "p01", "p02"])
    table.insert(0, "ID", [f"w{number // 20}_{number // 5 % 4}" for number in range(cells)])
    table.insert(1, "fold", np.arange(cells) // 20 % 2 + 1)
    return table, truth


def write(folder, tables, settings=SETTINGS):
    files = CalibrationFiles(*(folder / name for name in ("calibration.csv", "reliability.csv", "plot.png")))
    write_calibration(files, tables, NAMES, settings, score=SCORE, folds=2, group="^(.+)_")
    return files


def test_what_is_applied_is_what_was_fitted(tmp_path, caplog):
    cells, truth = known()
    files = write(tmp_path, {"train": (cells, truth)})
    assert "1 of 3 classes are never called: Negative (0 cells show it; 10 are needed)" in caplog.text
    rows = read_calibration(files.table, NAMES)
    assert [row.method for row in rows] == ["isotonic", "platt", "none"]
    assert rows[2].threshold is None
    found = with_calls(cells.assign(gene="x"), rows, NAMES)
    assert list(found)[-4:] == ["c00", "c01", "c02", "calls"]
    columns = [cells[name].to_numpy(np.float64) for name in ("p00", "p01", "p02")]
    expected = [fit_isotonic(columns[0], truth[:, 0] == 1)(columns[0])]
    expected += [fit_platt(columns[1], truth[:, 1] == 1)(columns[1]), columns[2]]
    np.testing.assert_array_equal(found[["c00", "c01", "c02"]], np.float32(np.stack(expected, axis=1)))
    pd.testing.assert_frame_equal(found[["p00", "p01", "p02"]], cells[["p00", "p01", "p02"]])
    called = [expected[index] >= rows[index].threshold for index in (0, 1)]
    texts = {(True, True): "Nucleus|Golgi", (True, False): "Nucleus", (False, True): "Golgi"}
    assert found["calls"].tolist() == [texts.get(pair, "uncertain") for pair in zip(*called, strict=True)]
    table, bins = read_csv(files.table).set_index("class"), read_csv(files.reliability)
    assert (
        table.loc[["Nucleus", "Golgi"], "ece_after"] < table.loc[["Nucleus", "Golgi"], "ece_before"]
    ).all()
    assert bins.groupby(["class", "when"])["cells"].sum().loc["all"].tolist() == [800, 800]
    assert files.picture.stat().st_size > 1000
    assert write(tmp_path / "again", {"train": (cells, truth)}).table.read_bytes() == files.table.read_bytes()


@pytest.mark.parametrize(
    ("cells", "settings", "expected"),
    [
        (400, {"least_cells": 5000}, "no class can be calibrated: 400 cells of train are known"),
        (20, {"least_cells": 2}, "are all of one fold or group of fields"),
    ],
)
def test_too_little_truth_is_refused(tmp_path, cells, settings, expected):
    table, truth = known()
    with pytest.raises(UserError, match=expected):
        write(tmp_path, {"train": (table[:cells], truth[:cells])}, CalibrationSettings(**settings))


def test_fields_in_no_fold_are_divided_by_their_group():
    cells = known()[0].assign(fold=0)
    parts = parts_of(cells, 2, "^(.+)_")
    assert set(parts) <= {3, 4, 5, 6, 7}
    assert len(set(parts)) > 2
    wells = cells["ID"].str.split("_").str[0]
    assert (pd.Series(parts).groupby(wells).nunique() == 1).all()
    assert parts_of(known()[0], 2, None).tolist() == known()[0]["fold"].tolist()


HEADER = "class,method,slope,intercept,knots,threshold\n"
GOOD = "Nucleus,platt,1.5,-2,,0.5\nGolgi,isotonic,,,0.1:0 0.5:0.25,\nNegative,none,,,,\n"


def test_a_table_is_read_by_its_classes(tmp_path):
    path = tmp_path / "calibration.csv"
    path.write_text(HEADER + "\n".join(sorted(GOOD.splitlines())))
    assert read_calibration(path, NAMES) == [
        Row("platt", 1.5, -2.0, threshold=0.5),
        Row("isotonic", knots=((0.1, 0.0), (0.5, 0.25))),
        Row("none"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Golgi,", "Goldi,", "line 3: no class 'Goldi'; did you mean Golgi"),
        ("Golgi,", "Nucleus,", "line 3: the class Nucleus is in line 2 already"),
        ("Negative,none,,,,\n", "", "no row for Negative; was it made with another class table"),
        ("platt", "plat", "line 2: method 'plat'; expected platt, isotonic, none"),
        ("1.5", "-1", "line 2: slope '-1'; expected a number above 0"),
        ("1.5", "0", "line 2: slope 0; expected a number above 0"),
        ("-2", "", "line 2: intercept ''; expected a number"),
        ("0.5\n", "5\n", "line 2: threshold '5'; expected a number from 0 to 1"),
        ("0.1:0 ", "", "line 3: knots '0.5:0.25'; expected at least two pairs"),
        ("0.5:0.25", "0.05:0.25", "both rising"),
        ("0.5:0.25", "0.5", "line 3: knot ''; expected a number from 0 to 1"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, old, new, expected):
    path = tmp_path / "calibration.csv"
    path.write_text(HEADER + GOOD.replace(old, new, 1))
    with pytest.raises(UserError, match=expected):
        read_calibration(path, NAMES)

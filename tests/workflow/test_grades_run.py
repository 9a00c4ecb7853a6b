"""Grades of single cells in a finished project: what is planned, made, scored and made again."""

import numpy as np
import pandas as pd
import pytest
from helpers.view_data import decoded

from puzzlecell.data.tables import read_csv, read_parquet

HEADER = "ID,cell,class,grade,area_px,centroid_y,centroid_x,queue"


QUEUES = {"Cytosol": "random", "Negative": "rare"}


def graded_stage(settings):
    settings["datasets"]["train"]["cell_labels"] = "graded/train.csv"
    settings["datasets"]["test"]["cell_labels"] = "graded/test.csv"
    settings["models"]["tiny"]["stages"]["graded"] = {
        "kind": "cells",
        "start": "stage2",
        "labels": "graded",
        "datasets": ["train"],
    }


def write_grades(project, *datasets, moved=0):
    """Grade all cells of data sets for two classes. moved: number of cells whose areas were others then."""
    (project.folder / "graded").mkdir(exist_ok=True)
    for dataset in datasets:
        paths = sorted((project.folder / "results/masks" / dataset).glob("*.cells.parquet"))
        rows, random = [], np.random.default_rng(0)
        for number, cell in enumerate(pd.concat(map(read_parquet, paths)).itertuples()):
            area = cell.area_px * (9 if number < moved else 1)
            as_it_was = f"{area},{cell.centroid_y},{cell.centroid_x}"
            for name in ("Cytosol", "Negative"):
                rows.append(
                    f"{cell.ID},{cell.cell},{name},{random.integers(1, 6)},{as_it_was},{QUEUES[name]}"
                )
        (project.folder / f"graded/{dataset}.csv").write_text("\n".join([HEADER, *rows, ""]))


def test_from_grades_to_targets_and_scores(changed):
    configuration = changed.configure("graded.yaml", graded_stage)
    write_grades(changed, "train", "test", moved=1)
    targets = ["results/targets/tiny/graded/train.parquet", "results/score/test.graded.csv"]
    expected = {"hold_out_grades": 1, "place_grades": 2, "graded_targets": 1, "score_grades": 1}
    assert changed.planned(*targets, configuration=configuration) == expected
    done = changed.run(*targets, configuration=configuration)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "train: 2 of" in done.stdout
    assert "grades belong to no cell of this run and are left out" in done.stdout

    results = changed.folder / "results"
    graded = read_parquet(results / "grades/train.parquet")
    taught = read_parquet(results / targets[0].removeprefix("results/"))
    report = read_csv(results / "grades/train.csv")
    assert (report["cell"] == 0).sum() == 2
    assert 2 * len(graded) == len(report) - 2
    assert 0 < graded["held_out"].sum() < len(graded)
    # No held-out cell teaches, and each teaching one has its field's fold.
    keys = ["ID", "cell"]
    assert taught[keys].to_numpy().tolist() == graded.loc[~graded["held_out"], keys].to_numpy().tolist()
    folds = read_csv(results / "folds/folds.csv").set_index("ID")["fold"]
    assert taught["fold"].tolist() == folds[taught["ID"]].tolist()
    assert taught[["p16", "p18"]].notna().all(axis=None)
    assert taught["p00"].isna().all()
    assert read_parquet(results / "grades/test.parquet")["held_out"].all()
    score = read_csv(results / "score/test.graded.csv").set_index(["queue", "class"])["cells"]
    # All cells but the one that has changed.
    cells = len(read_parquet(results / "cells/test.parquet")) - 1
    expected = {("all", "Cytosol"): cells, ("all", "Negative"): cells, ("random", "Cytosol"): cells}
    assert score[(score > 0) & (score.index.get_level_values("class") != "mean")].to_dict() == expected

    # The viewer shows the score that is there.
    done = changed.run("view", configuration=configuration)
    assert done.returncode == 0, done.stdout[-3000:]
    _, shown, _ = decoded(results / "view/data/run.js")
    table = shown["summary"]["graded"]
    assert set(table) == {"test"}
    assert set(table["test"]["queue"]) == {"all", "random"}

    # A stage with predicted targets of the same data set waits for the grades, too.
    def noisy_first(settings):
        graded_stage(settings)
        stages = settings["models"]["tiny"]["stages"]
        teachers = [{"stage": "stage2", "step": 1}, {"stage": "stage2", "step": 2}]
        stages["pupil"] = {"kind": "cells", "start": "stage2", "datasets": ["train"], "learns_from": teachers}
        stages["graded"]["start"] = "pupil"

    pupil = "results/targets/tiny/pupil/train.parquet"
    recipe = changed.configure("recipe.yaml", noisy_first)
    assert changed.planned(pupil, *targets, configuration=recipe) == {"oof_step2": 2, "targets": 1}
    done = changed.run(pupil, configuration=recipe)
    assert done.returncode == 0, done.stdout[-3000:]
    log = (results / "logs/targets/tiny/pupil/train.log").read_text()
    assert f"grades overrule predictions in {len(taught)} cells" in log

    assert changed.planned(*targets, configuration=configuration) == {}
    for change, rebuilt in (
        ({"held_out": 0.5}, {"hold_out_grades": 1, "place_grades": 1, "graded_targets": 1}),
        ({"values": [0, 0, 0.5, 1, 1]}, {"place_grades": 2, "graded_targets": 1, "score_grades": 1}),
    ):

        def other(settings, change=change):
            graded_stage(settings)
            settings["grades"] = change

        assert changed.planned(*targets, configuration=changed.configure("other.yaml", other)) == rebuilt


@pytest.mark.parametrize(
    ("table", "change", "expected"),
    [
        (None, {"cell_labels": "g.csv"}, "datasets.train.cell_labels: g.csv: there is no such file"),
        (
            None,
            {},
            "models.tiny.stages.graded learns from grades of train, but the data set is simulated and "
            "datasets.train.cell_labels names no table of them; grade some of its cells, or take it out",
        ),
        (
            f"{HEADER}\nA,1,Cytosol,9,,,,\n",
            {"cell_labels": "g.csv"},
            "g.csv: line 2: ID 'A' is that of no field",
        ),
    ],
)
def test_grades_that_cannot_be_used_are_reported_before_any_job(fresh, table, change, expected):
    def configure(settings):
        graded_stage(settings)
        del settings["datasets"]["test"]["cell_labels"], settings["datasets"]["train"]["cell_labels"]
        settings["datasets"]["train"] |= change

    if table is not None:
        (fresh.folder / "g.csv").write_text(table)
    target = "results/targets/tiny/graded/train.parquet"
    done = fresh.run(target, configuration=fresh.configure("graded.yaml", configure))
    assert done.returncode != 0
    assert "the grades of cells cannot be used:" in done.stdout
    assert expected in done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.folder / "results/simulated").exists()

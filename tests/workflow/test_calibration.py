"""Calibrated probabilities and calls in a run: made only if asked for, and only of cells whose classes are known."""

import pandas as pd
from helpers.report import built_report

CELLS = "results/cells/test.parquet"
TABLE = "results/calibration/calibration.csv"


def test_a_run_calls_classes_for_its_cells(changed, tmp_path):
    before = pd.read_parquet(changed.folder / CELLS)
    of_run = changed.configure(
        "calibrated.yaml", lambda s: s.update(calibration={"file": "this_run", "least_cells": 2})
    )
    planned = changed.planned(configuration=of_run)
    assert {"oof_cells": 3, "calibrate": 1, "ensemble": 1}.items() <= planned.items()
    done = changed.run(CELLS, configuration=of_run)
    assert done.returncode == 0, done.stdout[-4000:]
    assert changed.planned(CELLS, configuration=of_run) == {}
    found = pd.read_parquet(changed.folder / CELLS)
    added = [*(f"c{number:02d}" for number in range(19)), "calls"]
    assert [name for name in found if name not in before] == added
    pd.testing.assert_frame_equal(found[list(before)], before)
    table = pd.read_csv(changed.folder / TABLE, index_col="class")
    assert set(table["method"]) == {"platt", "none"}
    for number, threshold in enumerate(table["threshold"]):
        called = found["calls"].str.split("|").map(lambda names, name=table.index[number]: name in names)
        # Without a threshold, NaN, no cell reaches it.
        assert called.tolist() == (found[f"c{number:02d}"] >= threshold).tolist()
    out_of_fold = pd.read_parquet(changed.folder / "results/oof/cells/train.parquet")
    folds = pd.read_csv(changed.folder / "results/folds/folds.csv", index_col="ID")["fold"]
    assert out_of_fold["fold"].tolist() == folds[out_of_fold["ID"]].tolist()
    # Step 1 alone, and step 2 of a stage trained on both sets, from the fold that held out the field.
    step1 = pd.read_csv(changed.folder / "results/oof/tiny/stage2/fold1.csv")
    step2 = pd.read_parquet(changed.folder / "results/oof/tiny/stage3/fold1.step2.parquet")
    of_fold = out_of_fold[out_of_fold["fold"] == 1][["ID", "cell", "p05"]]
    joined = of_fold.merge(step1[["ID", "cell", "p05"]], on=["ID", "cell"], suffixes=("", "_1"))
    joined = joined.merge(step2[["ID", "cell", "p05"]], on=["ID", "cell"], suffixes=("", "_2"))
    assert len(joined) == len(of_fold) > 0
    kept = joined[joined["p05"] > 0]
    assert ((kept["p05_1"] + kept["p05_2"]) / 2 - kept["p05"]).abs().max() < 2e-6

    reported = built_report(changed, tmp_path / "report.zip", "calibration", configuration=of_run)
    assert {
        path: entry["labels"]["shows"]
        for path, entry in reported.items()
        if entry.get("category") == "Calibration"
    } == {
        "results/calibration/calibration.png": "reliability before and after",
        "results/calibration/reliability.csv": "table of reliability",
    }

    # The table serves another run, which fits nothing.
    (changed.folder / TABLE).rename(changed.folder / "config/calibration.csv")
    given = changed.configure(
        "given.yaml", lambda s: s.update(calibration={"file": "config/calibration.csv"})
    )
    assert changed.planned(CELLS, configuration=given) == {"ensemble": 1}
    changed.edit("config/calibration.csv", "Nucleoplasm", "Nucleoplasma")
    done = changed.run("-n", CELLS, configuration=given)
    assert "calibration.file:" in done.stdout
    assert "no class 'Nucleoplasma'; did you mean Nucleoplasm?" in done.stdout


def test_labels_of_fields_are_nothing_to_calibrate_on(fresh):
    (fresh.folder / "data/train").mkdir(parents=True)
    (fresh.folder / "data/train/labels.csv").write_text("ID,Label\na,0\nb,1\n")

    def only_labels(settings):
        test = settings["datasets"]["test"]
        settings["datasets"] = {"train": {"role": "train"}, "test": test}
        settings["models"]["tiny"]["stages"]["stage3"]["datasets"] = ["train"]
        settings["calibration"] = {"file": "this_run"}

    configuration = fresh.configure("labels.yaml", only_labels)
    for target in ("calibration", CELLS):
        done = fresh.run("-n", target, configuration=configuration)
        assert done.returncode == 1
        assert "no training or holdout set has ground truth per cell" in done.stdout
        assert "looked for data/train/truth.csv" in done.stdout

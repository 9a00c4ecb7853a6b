"""What a finished run can be asked for: the members that each class trusts, and the variability of its cells."""

import pandas as pd
import yaml
from helpers.report import built_report
from helpers.view_data import decoded

CELLS = "results/cells/test.parquet"


def test_members_per_class_and_variability(changed, tmp_path):
    def choose_easily(settings):
        settings["member_choice"] = {"standard_errors": 0, "least_gain": 0, "least_cells": 1}
        settings["variability"] = {"thresholds": 0.2, "least_known": 2}

    asked = changed.configure("asked.yaml", choose_easily)
    assert changed.planned(configuration=asked) == {}
    done = changed.run("member_weights", "variability", "view", configuration=asked)
    assert done.returncode == 0, done.stdout[-4000:]
    assert changed.planned("member_weights", "variability", "view", configuration=asked) == {}
    # The viewer shows what the same run was asked for, and goes on showing it.
    _, shown, _ = decoded(changed.folder / "results/view/data/run.js")
    assert set(shown["summary"]["variability"]) == {"test", "holdout"}
    assert changed.planned("view", configuration=asked) == {}

    table = pd.read_csv(changed.folder / "results/member_weights/members.csv")
    assert table.groupby("class")["chosen"].count().eq(1).all()
    # One member of each step, so that each is a candidate once.
    assert table["candidate"].unique().tolist() == ["configured", "all members", "step 1", "step 2", "field"]
    overlay = yaml.safe_load((changed.folder / "results/member_weights/members.yaml").read_text())
    trusting = changed.configure(
        "trusting.yaml", lambda settings: settings["ensemble"].update(overlay["ensemble"])
    )
    assert "image_fusion" in overlay["ensemble"] or any(
        "classes" in member for member in overlay["ensemble"]["members"]
    )
    assert changed.planned("results/submission.csv", configuration=trusting) == {
        "ensemble": 1,
        "score_cells": 1,
        "submission": 1,
    }

    cells = pd.read_parquet(changed.folder / CELLS)
    found = pd.read_csv(changed.folder / "results/variability/test.csv")
    assert found["level"].unique().tolist() == ["field", "group"]
    good = cells[cells["border_quality"] * cells["outlier_quality"] >= 0.5]
    of_all = found[found["class"] == "all"].set_index(["level", "name"])["cells"]
    assert of_all["field"].to_dict() == good.groupby("ID").size().to_dict()
    assert (
        of_all["group"].to_dict()
        == good.groupby(good["ID"].str.replace("_[0-9]+$", "", regex=True)).size().to_dict()
    )
    assert set(found["varies"].dropna()) <= {"yes", "no"}

    reported = built_report(changed, tmp_path / "report.zip", "variability", configuration=asked)
    entry = reported["results/variability/test.csv"]
    assert (entry["category"], entry["labels"]["data set"]) == ("Variability", "test")

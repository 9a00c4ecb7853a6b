"""What looks wrong and stops no job is listed in results/warnings.csv and shown at the end of a run."""

import pandas as pd

HINT = "datasets.test.pixel_size_um may be wrong: it is 0.08, the default"
CELLS = "results/cells/test.parquet"


def warnings(project):
    return pd.read_csv(project.folder / "results/warnings.csv", dtype=str, keep_default_na=False)


def test_an_ordinary_run_warns_only_of_classes_that_two_epochs_do_not_teach(finished):
    what = warnings(finished)["what"]
    assert what.str.contains("no fold learns|no field is labelled").all()
    shown = (finished.folder / "first_run.txt").read_text()
    end = shown[shown.index("Look at") :].splitlines()
    assert f"{len(what)} warnings, see results/warnings.csv" in end
    assert end[-len(what) :] == [f"    {line}" for line in warnings(finished)["dataset"] + ": " + what]
    assert shown.count("at chance on the held-out fold") <= 6


def test_a_forgotten_pixel_size_is_an_error_that_can_be_permitted(changed):
    def forget(settings):
        del settings["datasets"]["test"]["pixel_size_um"]

    def permit(settings):
        forget(settings)
        settings["plausibility"]["max_implausible"] = 1

    done = changed.run(CELLS, configuration=changed.configure("forgotten.yaml", forget))
    assert done.returncode != 0
    assert "data set test: 6 of 6 fields look wrong" in done.stdout
    assert "set plausibility.max_implausible: 1" in done.stdout
    assert HINT in done.stdout
    assert "Traceback" not in done.stdout
    assert not (changed.folder / CELLS).exists()
    assert HINT in done.stdout.split("warnings, see")[1]
    masks = (changed.folder / "results/masks/test/000.cells.parquet").read_bytes()

    done = changed.run(
        CELLS, "--workflow-profile", "none", configuration=changed.configure("permitted.yaml", permit)
    )
    assert done.returncode == 0, done.stdout
    assert (changed.folder / CELLS).exists()
    assert (changed.folder / "results/masks/test/000.cells.parquet").read_bytes() == masks
    assert HINT in done.stdout.split("warnings, see")[1]
    table = warnings(changed)
    test = table[table["dataset"] == "test"]
    assert test["ID"].tolist()[0] == ""
    assert HINT in test["what"].tolist()[0]
    assert sorted(test["ID"])[1:] == sorted(
        pd.read_csv(changed.folder / "results/simulated/test/labels.csv")["ID"]
    )


def test_a_damaged_result_is_listed_even_by_a_run_that_does_not_need_it(changed):
    store = changed.folder / "results/store/train/000.h5"
    store.write_bytes(store.read_bytes()[:2000])
    done = changed.run("folds", "--forcerun", "split_folds")
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    assert "train: results/store/train/000.h5: " in done.stdout.split("warnings, see")[1]

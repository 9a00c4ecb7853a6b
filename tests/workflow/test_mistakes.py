"""User mistakes are reported together, before any work starts."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest

from puzzlecell.data.raw_files import CHANNELS, channel_path


def write_field(folder, field_id, shape=(32, 32)):
    folder.mkdir(parents=True, exist_ok=True)
    for channel in CHANNELS:
        cv2.imwrite(str(channel_path(folder, field_id, channel)), np.zeros(shape, np.uint8))


def test_mistakes_in_the_configuration_stop_planning(fresh):
    def change(settings):
        settings["ingest"]["sise"] = 3
        settings["models"]["tiny"]["stages"]["stage2"]["start"] = "stage9"
        settings["ensemble"]["members"][0]["stage"] = "stage7"

    done = fresh.run("-n", "results/submission.csv", configuration=fresh.configure("bad.yaml", change))
    assert done.returncode != 0
    for expected in ("ingest.sise: unknown key; did you mean size?", "'stage9'", "'stage7'"):
        assert expected in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"seed: 1\nfolds: {count: 2, count: 3}\nseed: 2\n",
            ["folds.count: this key is in line 2", "seed: this key"],
        ),
        (b"negative: \xff\n", ["not in UTF-8: invalid start byte at byte 10"]),
        (b"", ["the file is empty"]),
        (b"- a\n", ["found a list"]),
        (b"a: [\n", ["not YAML"]),
        (None, ["there is no such file"]),
    ],
)
def test_a_configuration_file_is_checked_as_text(fresh, content, expected):
    """The default file, which the Snakefile reads; Snakemake itself reads those of `--configfile` before it."""
    path = fresh.folder / "config/config.yaml"
    path.unlink() if content is None else path.write_bytes(content)
    done = fresh.run("-n", configuration=None)
    assert done.returncode != 0
    assert "the configuration cannot be used:" in done.stdout
    for text in expected:
        assert f"  config/config.yaml: {text}" in done.stdout
    assert "Traceback" not in done.stdout


def test_keys_that_occur_twice_in_several_files_are_reported_together(fresh):
    for name in ("one", "two"):
        text = (fresh.folder / "config/tiny.yaml").read_text()
        (fresh.folder / f"config/{name}.yaml").write_text(f"{text}seed: 3\n")
    done = fresh.run("-n", "--configfile", "config/one.yaml", "config/two.yaml", configuration=None)
    assert done.returncode != 0
    for name in ("one", "two"):
        assert f"  config/{name}.yaml: seed: this key is in line 3 and again in line" in done.stdout


def test_a_damaged_class_table_stops_planning(fresh):
    (fresh.folder / "config/classes.csv").write_text(",,,\n0,a\n")
    done = fresh.run("-n")
    assert done.returncode != 0
    assert "  classes: config/classes.csv: the first line is ',,,'; expected index,name" in done.stdout
    assert "Traceback" not in done.stdout


def test_folds_and_devices_that_cannot_work_are_reported_before_any_job(fresh, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def change(settings):
        settings["gpu"] = "cuda"
        settings["folds"] = {"count": 7, "group": "^(.+)_[0-9]+$"}
        settings["datasets"]["additional"]["simulate"]["fields"] = 4

    configuration = fresh.configure("folds.yaml", change)
    done = fresh.run("results/submission.csv", configuration=configuration)
    assert done.returncode != 0
    for expected in (
        "data set train: 6 groups cannot be split into 7 folds",
        "data set additional: 2 groups cannot be split into 7 folds",
        "gpu is cuda, but PyTorch finds no CUDA device; set gpu to auto or cpu",
    ):
        assert expected in done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.folder / "results/simulated").exists()
    # Nothing in this part of the run uses a device.
    other = fresh.configure("group.yaml", lambda settings: settings.update(gpu="cuda"))
    done = fresh.run("store", "--until", "simulate", configuration=other)
    assert done.returncode == 0, done.stdout


def test_a_dry_run_reports_problems_after_its_plan(fresh):
    images = fresh.folder / "data/train/images"
    for number in range(300):
        for channel in CHANNELS:
            path = channel_path(images, f"w{number}", channel)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"no picture")
    rows = "".join(f"w{number},0\n" for number in range(300))
    (fresh.folder / "data/train/labels.csv").write_text(f"ID,Label\n{rows}")

    def change(settings):
        settings["datasets"]["train"] = {"role": "train"}
        settings["datasets"]["test"] = {"role": "test"}
        settings["segmentation"] = {"method": "hpa_dpn"}
        settings["folds"]["group"] = "^(plate[0-9]+)_"
        del settings["datasets"]["additional"]
        settings["models"]["tiny"]["stages"]["stage3"]["datasets"] = ["train"]

    done = fresh.run("-n", "results/submission.csv", configuration=fresh.configure("none.yaml", change))
    assert done.returncode == 0, done.stdout
    plan, report = done.stdout.split("This run would stop before its first job:\n")
    assert "Train tiny, stage1, fold 1" in plan
    for expected in (
        "there is no folder data/test/images",
        "w0_{red,green,blue,yellow}.png: not an image",
        "w3_{red,green,blue,yellow}.png: not an image",
        # A hundred of the 300 fields are looked at, of which 20 are shown.
        "... and 80 more",
        "folds.group: ^(plate[0-9]+)_ is found in none of the 300 IDs of train, such as w0",
        "there are no weights weights/hpa_dpn_nuclei.safetensors",
    ):
        assert expected in report
    assert "Traceback" not in done.stdout


def test_networks_that_cannot_be_trained_are_reported_together_before_any_job(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    def change(settings):
        stages = settings["models"]["tiny"]["stages"]
        settings["models"]["other"] = {
            "network": {"backbone": "resnet1B"},
            "input": settings["models"]["tiny"]["input"],
            "stages": {"stage1": stages["stage1"]},
        }
        settings["models"]["tiny"]["network"]["pretrained"] = True
        settings["ensemble"]["members"].append({"model": "other", "stage": "stage1", "step": 1})

    done = fresh.run("results/submission.csv", configuration=fresh.configure("net.yaml", change))
    assert done.returncode != 0
    for expected in (
        "models.tiny.stages.stage1: network.pretrained: the weights of test_resnet could not be loaded",
        "run once on a machine with a connection",
        "models.other.stages.stage1: network.backbone: timm",
        "has no 'resnet1B'; similar names: resnet18",
    ):
        assert expected in done.stdout
    assert "stages.stage2" not in done.stdout
    assert not (fresh.folder / "results/store").exists()


def test_mistakes_in_raw_data_are_reported_together_before_any_job(fresh):
    images = fresh.folder / "data/mine/images"
    for field_id in ("a", "b", "c"):
        write_field(images, field_id)
    channel_path(images, "a", "red").unlink()
    channel_path(images, "b", "green").write_bytes(b"no picture")
    cv2.imwrite(str(channel_path(images, "c", "blue")), np.zeros((8, 32), np.uint8))
    (fresh.folder / "data/mine/labels.csv").write_text("ID\na\nb\nc\n")
    (fresh.folder / "data/labelled").mkdir(parents=True)
    (fresh.folder / "data/labelled/labels.csv").write_text("ID,Label\nx,0\nx,1\ny,99\n")

    def change(settings):
        settings["datasets"]["test"] = {"role": "test", "path": "data/mine"}
        settings["datasets"]["more"] = {"role": "additional", "path": "data/labelled"}

    done = fresh.run("results/submission.csv", configuration=fresh.configure("raw.yaml", change))
    assert done.returncode != 0
    for expected in (
        "a_red.png: file is missing",
        "b_green.png: not an image",
        "c_blue.png: 32 x 8 pixels, but red has 32 x 32",
        "data/labelled/labels.csv: ID more than once: x",
        "3 of 3 fields are damaged",
    ):
        assert expected in done.stdout
    assert not (fresh.folder / "results").exists() or not list((fresh.folder / "results").rglob("*.h5"))


def test_an_empty_test_set_is_reported(fresh):
    folder = fresh.folder / "data/empty"
    folder.mkdir(parents=True)
    (folder / "labels.csv").write_text("ID\n")

    def change(settings):
        settings["datasets"]["test"] = {"role": "test", "path": "data/empty"}

    done = fresh.run("results/submission.csv", configuration=fresh.configure("empty.yaml", change))
    assert done.returncode != 0
    assert "data/empty/labels.csv: the table has no rows" in done.stdout


def test_the_full_recipe_is_planned_without_the_default_and_without_torch(fresh):
    blocked = fresh.folder / "blocked"
    for name in ("torch", "timm", "albumentations"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text("raise ImportError('planning must not import this')")
    done = subprocess.run(
        fresh.command("-n", configuration="config/hpa2021.yaml"),
        cwd=fresh.folder,
        env={**fresh.environment, "PYTHONPATH": f"{blocked}:{fresh.environment['PYTHONPATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plan = done.stdout + done.stderr
    assert "data/hpa2018/labels.csv: there is no such table" in plan
    assert "Train seresnext50, stage3, fold 4" in plan
    assert "lite0" not in plan
    assert "simulate" not in plan


def test_the_process_of_a_job_reads_the_code_of_its_own_rule_only(fresh):
    with (fresh.folder / "src/puzzlecell/training/losses.py").open("a") as file:
        file.write("(")
    assert fresh.planned("results/folds/folds.csv")["split_folds"] == 1
    # As an executor for clusters starts it.
    job = ["--target-jobs", "simulate:ds=holdout", "--allowed-rules", "simulate", "--mode", "remote"]
    done = fresh.run(*job, "--force", "--nolock", "--executor", "local")
    assert done.returncode == 0, done.stdout
    assert (fresh.folder / "results/simulated/holdout/labels.csv").exists()
    assert "losses.py" in fresh.run("-n").stdout


def test_ready_weights_of_other_classes_are_reported_before_any_job(finished, tmp_path):
    """Names in another order would give every cell wrong classes."""
    project = finished.copy(tmp_path / "project")
    shutil.move(project.folder / "results/models/tiny", project.folder / "weights")
    shutil.rmtree(project.folder / "results")
    rows = (project.folder / "config/classes.csv").read_text().splitlines()
    rows[1], rows[2] = "0," + rows[2].partition(",")[2], "1," + rows[1].partition(",")[2]
    (project.folder / "config/swapped.csv").write_text("\n".join([*rows, ""]))
    (project.folder / "weights/stage3/fold2/model.safetensors").write_bytes(b"no weights")

    def change(settings):
        settings["classes"] = "config/swapped.csv"
        for name, stage in settings["models"]["tiny"]["stages"].items():
            stage.pop("start", None)
            stage["checkpoints"] = f"weights/{name}/fold{{fold}}/model.safetensors"

    for dry in ([], ["-n"]):
        configuration = project.configure("ready.yaml", change)
        done = project.run(*dry, "results/submission.csv", configuration=configuration)
        assert (done.returncode == 0) == bool(dry)
        for expected in (
            "stages.stage2.checkpoints: weights/stage2/fold1/model.safetensors: its class 0 is",
            "weights/stage3/fold2/model.safetensors: not a safetensors file",
        ):
            assert expected in done.stdout
        assert not list((project.folder / "results").rglob("*.h5"))

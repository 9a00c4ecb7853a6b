"""User mistakes are reported together, before any work starts."""

import subprocess

import cv2
import numpy as np

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


def test_networks_that_cannot_be_trained_are_reported_together_before_any_job(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    def change(settings):
        stages = settings["models"]["tiny"]["stages"]
        settings["models"]["other"] = {
            "network": {"backbone": "resnet1B"},
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
        "b_green.png: not a PNG",
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
    assert "Train seresnext50, stage3, fold 4" in plan
    assert "lite0" not in plan
    assert "simulate" not in plan

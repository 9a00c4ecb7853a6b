"""The whole pipeline on tiny data: its outputs, second runs, and resuming after a kill."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.paths import ROOT
from helpers.scores import decode_mask

from puzzlecell.data.submission_file import read_submission
from puzzlecell.viewer.page_files import page_files

SUBMISSION = "results/submission.csv"


def test_all_documented_files_are_written(finished):
    results = finished.folder / "results"
    with h5py.File(results / "store/train/000.h5") as store:
        assert store["images"].dtype == np.uint8
        assert store["images"].shape[1:] == (64, 64, 4)
        assert len(store["id"]) == len(store["height"]) == len(store["images"])
    folds = pd.read_csv(results / "folds/folds.csv")
    assert list(folds.columns) == ["ID", "dataset", "fold"]
    assert len(folds) == 18
    for stage in ("stage1", "stage2", "stage3"):
        for fold in (1, 2):
            folder = results / f"models/tiny/{stage}/fold{fold}"
            names = {path.name for path in folder.iterdir()}
            checksums = {"history.csv.checksum", "oof.csv.checksum"}
            assert names == {"model.safetensors", "history.csv", "curves.png", "oof.csv"} | checksums
    with h5py.File(results / "masks/test/000.h5") as masks:
        assert masks["cells"].dtype == masks["nuclei"].dtype == np.uint16
    step1 = pd.read_parquet(results / "step1/test/tiny.stage2/000.parquet")
    assert list(step1.columns) == ["ID", "cell", *(f"p{number:02d}" for number in range(19))]
    cells = pd.read_parquet(results / "cells/test.parquet")
    assert {"area_px", "border_quality", "outlier_quality", "p00", "p18"} <= set(cells.columns)
    score = pd.read_csv(results / "score/test.csv").set_index("prediction")
    assert list(score.index) == ["broadcast", "step1", "step2", "ensemble"]
    assert score["mean_ap"].between(0, 1).all()


COLUMNS = {
    "warnings.csv": "dataset, ID, what",
    "store/train/000.rejected.csv": "ID, reason",
    "folds/folds.csv": "ID, dataset, fold",
    "folds/warnings.csv": "dataset, ID, what",
    "store/train/000.contents.csv": "ID, content",
    "oof/tiny/stage2/metrics.csv": "class, fields, positives, ap, auc",
    "oof/tiny/stage2/thresholds.csv": "class, positives, threshold, f1",
    "score/test.csv": "prediction, mean_ap, low, high",
    "oof/tiny/stage2/fold1.csv": "ID, ImageWidth, ImageHeight, cell, centroid_x, centroid_y",
    "oof/holdout.csv": "ID, ImageWidth, ImageHeight, cell, centroid_x, centroid_y",
}
FORMATS = ROOT / "docs/file-formats.md"


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_documented_columns(finished, name):
    table = pd.read_csv(finished.folder / "results" / name)
    assert [column for column in table if not re.fullmatch(r"p\d\d", column)] == COLUMNS[name].split(", ")
    assert f"`{COLUMNS[name]}" in FORMATS.read_text()


def test_every_kind_of_file_is_documented(finished):
    page = (
        FORMATS.read_text()
        .replace("{,.images}", ".images")
        .replace("{.csv,.classes.csv,.png}", ".classes.csv")
    )
    results = finished.folder / "results"
    undocumented = set()
    for path in results.rglob("*"):
        top = path.relative_to(results).parts[0]
        if path.is_file() and top not in ("logs", "benchmarks", "simulated"):
            name = re.sub(r"fold\d", "fold<k>", path.name).removesuffix(".checksum")
            name = re.sub(r"-\d{4}\.", "-<nnnn>.", name)
            of_page = path.relative_to(results / top).as_posix() in page_files()
            if of_page or name == ".snakemake_timestamp":
                continue
            if name not in page and re.sub(r"^(\d{3}|test|holdout)\.", ".", name) not in page:
                undocumented.add(name)
    assert not undocumented


def test_the_keys_of_the_viewers_index_are_documented(finished):
    text = (finished.folder / "results/view/data/run.js").read_text()
    run = json.JSONDecoder().raw_decode(text.removeprefix('puzzlecell.receive("run",'))[0]
    page = FORMATS.read_text().split("\n## The viewer\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", page))
    run.pop("columns")
    assert run.keys() | run["summary"].keys() | run["datasets"][0].keys() <= named


def test_the_submission_has_one_row_per_test_field_in_order(finished):
    ids = pd.read_csv(finished.folder / "results/simulated/test/labels.csv")["ID"]
    submission = read_submission(finished.folder / SUBMISSION)
    assert submission["ID"].tolist() == ids.tolist()
    assert (submission[["ImageWidth", "ImageHeight"]] == 64).all().all()


def test_masks_of_the_submission_are_the_segmented_cells(finished):
    from puzzlecell.data.store import ShardReader

    masks = ShardReader(sorted((finished.folder / "results/masks/test").glob("*.h5")))
    for _, row in read_submission(finished.folder / SUBMISSION).iterrows():
        texts = dict.fromkeys(row["PredictionString"].split()[2::3])
        labels = masks.read(row["ID"], "cells")
        decoded = [decode_mask(text, 64, 64) for text in texts]
        assert np.array_equal(np.sum(decoded, axis=0) > 0, labels > 0)


def test_holdout_and_out_of_fold_tables(finished):
    oof = finished.folder / "results/oof"
    folds = pd.read_csv(finished.folder / "results/folds/folds.csv")
    for fold in (1, 2):
        table = pd.read_csv(oof / f"tiny/stage3/fold{fold}.csv")
        assert list(table.columns[:6]) == [
            "ID",
            "ImageWidth",
            "ImageHeight",
            "cell",
            "centroid_x",
            "centroid_y",
        ]
        assert set(table["ID"]) <= set(folds.loc[folds["fold"] == fold, "ID"])
    holdout = pd.read_csv(oof / "holdout.csv")
    both = [pd.read_csv(oof / f"tiny/{stage}/holdout.csv")["p00"] for stage in ("stage2", "stage3")]
    np.testing.assert_allclose(holdout["p00"], sum(both) / 2, atol=2e-6)


def test_logs_begin_with_versions_and_settings(finished):
    log = (finished.folder / "results/logs/train/tiny/stage2/fold1.log").read_text()
    assert "puzzlecell" in log.splitlines()[0]
    assert '"gamma":0.25' in log.splitlines()[1]
    assert "epoch 2" in log


def test_the_default_target_includes_everything(fresh):
    jobs = fresh.planned("all")
    assert {"submission", "score_cells", "oof_metrics", "join_holdout"} <= set(jobs)


def test_a_second_run_does_nothing(finished):
    assert finished.planned() == {}
    assert finished.planned("all") == {}


def test_a_run_shows_its_progress_and_its_main_outputs(finished):
    shown = (finished.folder / "first_run.txt").read_text()
    assert "started: Train tiny, stage1, fold 1" in shown
    assert re.search(r"done: Write results/submission.csv in \d+:\d\d, \d+ of \d+ jobs done", shown)
    assert "Reason" not in shown
    assert shown.index("Look at") < shown.index("results/submission.csv", shown.index("Look at"))


@pytest.mark.long
def test_a_run_again_killed_and_resumed_with_fewer_workers_gives_the_same_submission(changed):
    """Two runs in different folders give the same bytes, even if the second one is killed within a training.

    As after an out-of-memory kill, the number of workers is lowered: that must not discard the saved state.
    """
    first = (changed.folder / SUBMISSION).read_bytes()
    changed.edit("config/tiny.yaml", "{epochs: 12}", "{epochs: 12, compute: {workers: 2}}")
    for name in ("store", "masks", "models", "step1", "step2", "cells"):
        shutil.rmtree(changed.folder / "results" / name)
    # While the submission exists, Snakemake does not ask for what it was made from.
    (changed.folder / SUBMISSION).unlink()
    folder = changed.folder / "results/models/tiny/stage3/fold1"
    model = "results/models/tiny/stage3/fold1/model.safetensors"
    output = changed.folder / "killed.txt"
    with output.open("w") as terminal:
        process = subprocess.Popen(
            changed.command(SUBMISSION),
            cwd=changed.folder,
            env=changed.environment,
            stdout=terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not (folder / "last.ckpt").exists():
            assert process.poll() is None, output.read_text()
            time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (changed.folder / model).exists()
    changed.edit("config/tiny.yaml", "compute: {workers: 2}", "compute: {workers: 0}")
    assert changed.run("--unlock", SUBMISSION).returncode == 0
    done = changed.run(SUBMISSION)
    assert done.returncode == 0, done.stdout[-4000:]
    log = (changed.folder / "results/logs/train/tiny/stage3/fold1.log").read_text()
    assert "resuming from" in log
    assert log.count("; puzzlecell ") == 2, "the log of the killed part is kept"
    assert "starting again" not in log
    assert (changed.folder / SUBMISSION).read_bytes() == first
    assert changed.planned() == {}


def test_more_cores_than_the_machine_has_are_not_used(finished):
    done = finished.run("-n", "--cores", "1000", SUBMISSION)
    assert done.returncode == 0
    done = finished.run("--cores", "1000", "--forcerun", "split_folds", "--until", "split_folds")
    assert f"Provided cores: {len(os.sched_getaffinity(0))}\n" in done.stdout


def test_the_mask_overlay_is_not_blank(finished):
    picture = cv2.imread(str(finished.folder / "results/masks/test/000.png"))
    assert picture.std() > 10

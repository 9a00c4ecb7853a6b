"""A stage with a frozen backbone, end to end, and what a change of its settings computes again."""

import os
import re
import time

import pandas as pd
import pytest
from safetensors.numpy import load_file

AFTER_STEPS = {"ensemble": 1, "score_cells": 1, "submission": 1}
FROM_HEAD = {"train_head": 2, "step1": 2} | AFTER_STEPS
FROM_PROBE = {"train_head": 2, "step1": 2, "step2": 2} | AFTER_STEPS
CONFIGURATION = "config/frozen.yaml"


def frozen_training(**more):
    return {"network": {"frozen": True}, "epochs": 3, **more}


def stages(settings):
    given = settings["models"]["tiny"]["stages"]
    settings["models"]["tiny"]["stages"] = {
        "stage1": given["stage1"],
        # The same random backbone in all folds.
        "head": {"datasets": ["train"], "training": frozen_training()},
        # The backbone of each fold, in two views.
        "probe": {
            "start": "stage1",
            "datasets": ["train"],
            "training": frozen_training(features={"flip": True}),
        },
    }
    settings["ensemble"] = {
        "members": [
            {"model": "tiny", "stage": stage, "step": step} for stage, step in (("head", 1), ("probe", 2))
        ]
    }


@pytest.fixture(scope="module")
def frozen(finished, tmp_path_factory):
    """The finished tiny project with heads on frozen backbones in place of its other stages."""
    project = finished.copy(tmp_path_factory.mktemp("frozen") / "project")
    project.configure("frozen.yaml", stages)
    done = project.run("results/submission.csv", configuration=CONFIGURATION)
    assert done.returncode == 0, done.stdout[-4000:]
    (project.folder / "run.txt").write_text(done.stdout)
    return project


def test_features_are_computed_once_and_their_size_is_said_before(frozen):
    shown = (frozen.folder / "run.txt").read_text()
    size = r"tiny, head: features of 12 fields in 2 views, each \d+ x 8 x 8 numbers of 16 bits: [\d.]+ MB at most"
    said = re.search(size, shown)
    assert said, shown[-4000:]
    assert said.start() < shown.index("Features of train")
    # Of each fold's backbone, the same fields.
    assert sorted(re.findall(r"probe by the backbone of (\w+): features of (\d+) fields", shown)) == [
        ("fold1", "12"),
        ("fold2", "12"),
    ]
    made = sorted(path.relative_to(frozen.folder) for path in frozen.folder.glob("results/features/**/*.h5"))
    assert [str(path).removeprefix("results/features/train/tiny.") for path in made] == [
        *(f"head/all/00{shard}.h5" for shard in (0, 1)),
        *(f"probe/fold{fold}/00{shard}.h5" for fold in (1, 2) for shard in (0, 1)),
    ]
    assert frozen.planned(configuration=CONFIGURATION) == {}
    models = frozen.folder / "results/models/tiny"
    first, second, parent = (
        load_file(models / f"{name}/model.safetensors")
        for name in ("head/fold1", "probe/fold2", "stage1/fold2")
    )
    assert first.keys() == parent.keys()
    assert all((second[name] == parent[name]).all() for name in parent if name.startswith("backbone"))
    assert len(pd.read_csv(models / "head/fold1/history.csv")) == 3
    assert (frozen.folder / "results/submission.csv").is_file()


def setting(old, new):
    return lambda project: project.edit(CONFIGURATION, old, new)


def library(module):
    def change(project):
        path = project.folder / "src/puzzlecell" / module
        path.write_text(path.read_text() + "\nEDITED = True\n")

    return change


def stored_field(project):
    path = sorted((project.folder / "results/simulated/train/images").glob("*_green.png"))[0]
    later = time.time() + 5
    os.utime(path, (later, later))


def in_stage(stage, text):
    """Add lines to the training settings of a stage in the written configuration."""

    def change(project):
        path = project.folder / CONFIGURATION
        before, after = path.read_text().split(f"      {stage}:\n")
        path.write_text(
            f"{before}      {stage}:\n{after.replace('        training:', '        training:' + text, 1)}"
        )

    return change


NEW = "\n          {}"
CHANGES = {
    "learning rate of the head": (
        in_stage("head", NEW.format("optimiser: {learning_rate: 0.01}")),
        FROM_HEAD,
    ),
    "epochs of the head, and when it stops": (in_stage("head", NEW.format("early_stop: 2")), FROM_HEAD),
    "sampling and seed of the stage on the backbones of the folds": (
        in_stage("probe", NEW.format("sampler: {kind: none}") + NEW.format("seed: 3")),
        FROM_PROBE,
    ),
    "the augmentation of the other stages": (
        setting("augmentation: light", "augmentation: reference"),
        {"train": 2, "features": 4} | FROM_PROBE,
    ),
    "another encoder": (in_stage("head", NEW.format("seed: 3")), {"features": 2} | FROM_HEAD),
    "the views of a field": (
        in_stage("head", NEW.format("features: {rotate: true}")),
        {"features": 2} | FROM_HEAD,
    ),
    "the size of a field": (
        in_stage("head", NEW.format("input: {field_size: 32, crop_size: 32}")),
        {"features": 2} | FROM_HEAD,
    ),
    # One shard for the head; the backbones of the folds change.
    "a stored field": (
        stored_field,
        {"ingest": 1, "features": 5, "train": 2, "train_head": 4, "step1": 4, "step2": 2} | AFTER_STEPS,
    ),
    "code that computes features": (
        library("inference/features.py"),
        {"features": 6, "train_head": 4, "step1": 4, "step2": 2} | AFTER_STEPS,
    ),
    "workers and the batch of a pass": (
        in_stage("head", NEW.format("compute: {workers: 2}") + NEW.format("validation_batch_size: 3")),
        {},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_computes_features_again_only_if_they_depend_on_it(frozen, tmp_path, change):
    make, expected = CHANGES[change]
    project = frozen.copy(tmp_path / "project")
    make(project)
    assert project.planned(configuration=CONFIGURATION) == expected

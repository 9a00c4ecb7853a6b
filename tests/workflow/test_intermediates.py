"""Deleted files between the stages are made again if they are asked for."""

import shutil

import pytest

TARGETS = ("intermediates", "results/submission.csv")
AFTER_STEPS = {"ensemble": 1, "score_cells": 1, "submission": 1, "intermediates": 1}


def test_nothing_is_missing_after_a_run(finished):
    assert finished.planned(*TARGETS) == {}


@pytest.mark.parametrize(
    ("deleted", "expected"),
    [
        (["step1"], {"step1": 4}),
        (["masks/test/001.h5"], {"segment": 1, "step1": 2, "step2": 1}),
        # stage2 and stage3 start from stage1, fold by fold.
        (["models/tiny/stage1/fold2/model.safetensors"], {"train": 3, "step1": 4, "step2": 2}),
        (
            ["step1", "models/tiny/stage3/fold1", "masks/test/000.cells.parquet"],
            {"train": 1, "segment": 1, "step1": 4, "step2": 2},
        ),
        (["cells"], {}),
        (["folds", "store/additional"], {"split_folds": 1, "ingest": 1, "train": 6, "step1": 4, "step2": 2}),
    ],
)
def test_exactly_what_was_deleted_and_what_follows_is_made_again(changed, deleted, expected):
    for name in deleted:
        path = changed.folder / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert changed.planned() == {}, "Snakemake alone misses nothing"
    assert changed.planned(*TARGETS) == expected | AFTER_STEPS


def test_ready_weights_are_not_asked_for(changed):
    """A stage whose weights are given is not trained, so neither its folds nor its training fields are needed."""
    results = changed.folder / "results"
    shutil.move(results / "models/tiny", changed.folder / "weights")
    shutil.rmtree(results / "folds")
    shutil.rmtree(results / "store/train")

    def change(settings):
        for name, stage in settings["models"]["tiny"]["stages"].items():
            stage["checkpoints"] = f"weights/{name}/fold{{fold}}/model.safetensors"

    configuration = changed.configure("ready.yaml", change)
    planned = changed.planned(*TARGETS, configuration=configuration)
    assert not {"train", "split_folds", "ingest", "segment"} & set(planned)

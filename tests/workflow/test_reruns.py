"""A change reruns exactly what depends on it, with a readable reason."""

import os
import time

import pytest

AFTER_STEPS = {"ensemble": 1, "score_cells": 1, "submission": 1}
FROM_TRAINING = {"train": 6, "step1": 4, "step2": 2} | AFTER_STEPS


def touch_raw(dataset):
    def change(project):
        path = sorted((project.folder / f"results/simulated/{dataset}/images").glob("*_green.png"))[0]
        later = time.time() + 5
        os.utime(path, (later, later))

    return change


def setting(old, new):
    return lambda project: project.edit("config/tiny.yaml", old, new)


def library(module, old=None, new=None):
    """Change a module of the library: append a statement, or replace a string."""

    def change(project):
        path = project.folder / "src/puzzlecell" / module
        text = path.read_text()
        assert old is None or old in text
        path.write_text(text + "\nEDITED = True\n" if old is None else text.replace(old, new, 1))

    return change


CHANGES = {
    # The probabilities of whole fields come from step 1, of both stages in the ensemble.
    "a raw test field touched": (
        touch_raw("test"),
        {"ingest": 1, "segment": 1, "step1": 2, "step2": 1} | AFTER_STEPS,
    ),
    "a raw training field touched": (touch_raw("train"), {"ingest": 1} | FROM_TRAINING),
    "gamma of stage2": (setting("gamma: 0.25", "gamma: 0.75"), {"train": 2, "step1": 2} | AFTER_STEPS),
    "weights of the ensemble": (setting("step: 2, weight: 1", "step: 2, weight: 3"), AFTER_STEPS),
    "the score": (setting("bootstrap: 20", "bootstrap: 30"), {"score_cells": 1, "submission": 1}),
    "the store": (
        setting("size: 64}\nfolds", "size: 96}\nfolds"),
        {"ingest": 5, "segment": 2} | FROM_TRAINING,
    ),
    "the largest accepted image": (
        setting("size: 64}\nfolds", "size: 64, max_megapixels: 50}\nfolds"),
        {"ingest": 5, "segment": 2} | FROM_TRAINING,
    ),
    "the segmenter": (
        setting("score: {", "segmentation: {classical: {neck: 0.7}}\nscore: {"),
        {"segment": 2, "step1": 4, "step2": 2} | AFTER_STEPS,
    ),
    "another segmenter than the chosen one": (
        setting(
            "score: {",
            "segmentation: {hpa_dpn: {label_at: network}, labelling: {otsu_factor: 0.4}}\nscore: {",
        ),
        {},
    ),
    "the device": (setting("gpu: cpu", "gpu: auto"), {}),
    "workers, saving, logging and batch sizes": (
        setting(
            "training:\n  epochs: 2\n",
            "step1: {batch_size: 3}\nstep2: {batch_size: 5}\n"
            "training:\n  epochs: 2\n  compute: {workers: 2, keep_memory: false}\n  validation_batch_size: 2\n"
            "  save_minutes: 1\n  tensorboard: true\n",
        ),
        {},
    ),
    "code of the network": (library("network/cam_network.py"), FROM_TRAINING),
    "code of training": (library("training/losses.py"), FROM_TRAINING),
    "code of step 1": (library("inference/step1.py"), {"step1": 4} | AFTER_STEPS),
    "code of step 2": (library("inference/step2.py"), {"step2": 2} | AFTER_STEPS),
    "code of the score": (library("scoring/average_precision.py"), {"score_cells": 1, "submission": 1}),
    "code of the picture of the score": (library("scoring/plot.py"), {"score_cells": 1, "submission": 1}),
    "code of another segmenter": (library("segmentation/hpa_dpn.py"), {}),
    "code of the chosen segmenter": (
        library("segmentation/classical.py"),
        {"segment": 2, "step1": 4, "step2": 2} | AFTER_STEPS,
    ),
    "code of logs and progress": (library("runtime/progress.py"), {}),
    "a docstring": (library("training/losses.py", '"""Combined loss', '"""Our combined loss'), {}),
    "a comment": (library("training/losses.py", "import torch\n", "import torch  # a comment\n"), {}),
    "a type hint": (library("training/losses.py", "labels: Tensor", "labels"), {}),
    "a description of a setting": (
        library("config/steps.py", "Quantile of the class", "A quantile of the class"),
        {},
    ),
    "a module touched but not changed": (
        lambda project: (project.folder / "src/puzzlecell/training/losses.py").touch(),
        {},
    ),
    "the README": (lambda project: (project.folder / "README.md").write_text("new"), {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_exactly_what_depends_on_it(changed, change):
    make, expected = CHANGES[change]
    make(changed)
    assert changed.planned() == expected


def test_the_reason_names_the_setting_with_both_values(changed):
    changed.edit("config/tiny.yaml", "gamma: 0.25", "gamma: 0.75")
    plan = changed.run("-n", "results/models/tiny/stage2/fold1/model.safetensors").stdout
    (reason,) = (line for line in plan.splitlines() if line.startswith("Reason: Params have changed"))
    assert "before: 'training.loss.gamma: 0.25' now: 'training.loss.gamma: 0.75'" in reason
    assert len(reason) < 250

"""The examples of docs/extending.md work as they stand there."""

import re

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.paths import ROOT

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.training import merged
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.store import ShardReader
from puzzlecell.network.cam_network import build_network

PAGE = (ROOT / "docs/extending.md").read_text()


def example(heading, language, number=0):
    """A code block below a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[number]


def test_the_added_segmenter_segments(fresh):
    module, section, line = (example("Add a segmenter", "python", number) for number in range(3))
    source = fresh.folder / "src/puzzlecell"
    (source / "segmentation/threshold.py").write_text(module)
    settings = source / "config/segmenters.py"
    settings.write_text(f"{settings.read_text()}\n\n{section}")
    fresh.edit(
        "src/puzzlecell/config/segmentation.py",
        "    masks: MasksSettings = MasksSettings()\n",
        f"    masks: MasksSettings = MasksSettings()\n{line}",
    )
    imported = "    SegmenterSection,\n"
    fresh.edit("src/puzzlecell/config/segmentation.py", imported, f"{imported}    ThresholdSettings,\n")
    chosen = yaml.safe_load(example("Add a segmenter", "yaml"))
    configuration = fresh.configure("threshold.yaml", lambda settings: settings.update(chosen))
    done = fresh.run("masks", configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    with h5py.File(fresh.folder / "results/masks/test/000.h5") as masks:
        assert masks.attrs["segmenter"] == b"threshold"
    reader = ShardReader([fresh.folder / "results/masks/test/000.h5"])
    assert all(reader.read(field_id, "cells").any() for field_id in reader.ids)
    assert any(reader.read(field_id, "nuclei").any() for field_id in reader.ids)
    assert len(pd.read_parquet(fresh.folder / "results/masks/test/000.cells.parquet")) > 0
    fresh.edit("config/threshold.yaml", "level: 0.1", "level: 0.2")
    assert fresh.planned("masks", configuration=configuration) == {"segment": 2, "masks": 1}


@pytest.mark.parametrize("heading", ["Use another backbone", "Use other classes", "Add an ensemble member"])
def test_configurations_of_the_examples_are_valid(heading, tmp_path):
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for key, value in yaml.safe_load(example(heading, "yaml")).items():
        settings[key] = {**settings[key], **value} if key == "models" else value
    (tmp_path / "config").mkdir()
    table = example("Use other classes", "") if heading == "Use other classes" else None
    (tmp_path / "config/classes.csv").write_text((ROOT / "config/classes.csv").read_text())
    if table:
        (tmp_path / settings["classes"]).write_text(table)
    loaded = load_configuration(settings, tmp_path)
    for member in loaded.ensemble.members:
        training = loaded.stage_training(member.model, member.stage)
        assert training.input.field_size <= loaded.ingest.size
        network = build_network(training.network, training.input, read_classes(tmp_path / loaded.classes))
        assert network.settings.backbone == training.network.backbone


def test_the_page_names_every_rule_script_and_folder():
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    rules = {name for text in texts for name in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    with_script = {name for name in rules if f"`{name}`" in PAGE}
    scripts = {path.name for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert all(f"`{script}`" in PAGE for script in scripts)
    assert rules - with_script <= {
        "store",
        "folds",
        "models",
        "masks",
        "oof",
        "holdout",
        "score",
        "fields",
        "ablation",
    }
    folders = [path.name for path in (ROOT / "src/puzzlecell").iterdir() if (path / "__init__.py").is_file()]
    assert all(f"── {folder}/" in PAGE for folder in folders)


@pytest.fixture
def own_configuration(fresh):
    """The default configuration, changed as docs/usage.md says."""
    usage = (ROOT / "docs/usage.md").read_text()
    changes = yaml.safe_load(re.search(r"```yaml\n( +datasets:.*?)```", usage, re.DOTALL)[1])
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert all(
        key in settings and "pixel_size_um" in given
        for key in changes
        for given in changes["datasets"].values()
    )
    settings = {**merged(settings, changes), "datasets": changes["datasets"]}
    (fresh.folder / "config/mine.yaml").write_text(yaml.safe_dump(settings))
    return "config/mine.yaml"


def test_the_steps_to_your_own_data_work_as_they_stand(fresh, own_configuration):
    for name, header, label in (("train", "ID,Label", ",0|16"), ("test", "ID", "")):
        images = fresh.folder / f"data/{name}/images"
        images.mkdir(parents=True)
        rows = [f"{name}{number}{label}" for number in range(8)]
        for row in rows:
            for channel in CHANNELS:
                path = channel_path(images, row.split(",")[0], channel)
                cv2.imwrite(str(path), np.full((64, 64), 9, np.uint16))
        (images.parent / "labels.csv").write_text("\n".join([header, *rows, ""]))
    done = fresh.run("-n", "results/submission.csv", configuration=own_configuration)
    assert done.returncode == 0, done.stdout
    assert "Write results/submission.csv" in done.stdout
    assert "would stop" not in done.stdout
    (fresh.folder / "data/test/images/test3_blue.png").unlink()
    done = fresh.run("-n", "results/submission.csv", configuration=own_configuration)
    assert "would stop" in done.stdout
    assert "data/test/images/test3_blue.png: file is missing" in done.stdout


@pytest.mark.parametrize("page", ["data/README.md", "docs/file-formats.md", "docs/usage.md", "README.md"])
def test_pages_about_your_own_data_name_the_pixel_size(page):
    assert "pixel_size_um" in (ROOT / page).read_text()

"""SubCell as a member: raw fields and ready weights give its answer, this project's and both, without a training."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.subcell_data import write_checkpoints
from helpers.view_data import decoded

from puzzlecell.cli.main import main
from puzzlecell.config.class_table import read_classes
from puzzlecell.data.location_table import read_location_classes
from puzzlecell.inference.subcell import location_columns
from puzzlecell.network.subcell_file import LOCATIONS

BOTH, ALONE = "config/both.yaml", "config/alone.yaml"
WEIGHTS = "weights/subcell.safetensors"
TARGETS = ("all", "ablation", "embeddings")
AFTER = {"ensemble": 1, "score_cells": 1, "submission": 1}


def with_subcell(settings):
    """Test and holdout fields; a stage with ready weights, and SubCell."""
    settings["datasets"] = {name: settings["datasets"][name] for name in ("holdout", "test")}
    tiny = settings["models"]["tiny"]
    tiny["stages"] = {"stage2": {"checkpoints": "weights/stage2/fold{fold}/model.safetensors"}}
    settings["models"]["subcell"] = {"cells": {"kind": "subcell", "weights": WEIGHTS}}
    settings["ensemble"]["members"] = [{"model": "tiny", "stage": "stage2", "step": 1}, {"model": "subcell"}]


def subcell_alone(settings):
    with_subcell(settings)
    del settings["models"]["tiny"]
    settings["ensemble"]["members"] = [{"model": "subcell"}]


def convert(folder, **options):
    """Convert random weights in the published layout to the file of the member."""
    encoder, heads = write_checkpoints(folder / "published", **options)
    main(["convert-subcell", str(encoder), *map(str, heads), "--output", str(folder / WEIGHTS)])


@pytest.fixture(scope="module")
def read(finished, tmp_path_factory):
    """The raw fields and weights of the finished tiny project, and what a run with SubCell makes of them."""
    project = finished.copy(tmp_path_factory.mktemp("read") / "project")
    results = project.folder / "results"
    shutil.move(results / "models/tiny", project.folder / "weights")
    for path in results.iterdir():
        if path.name != "simulated":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    convert(project.folder)
    project.configure("both.yaml", with_subcell)
    project.configure("alone.yaml", subcell_alone)
    planned = project.planned(*TARGETS, configuration=BOTH)
    assert not {"train", "train_cells", "train_head", "folds"} & set(planned)
    done = project.run(*TARGETS, configuration=BOTH)
    assert done.returncode == 0, done.stdout[-4000:]
    assert project.planned(*TARGETS, configuration=BOTH) == {}
    return project


def tables(project, member, ds="test"):
    paths = sorted((project.folder / f"results/step2/{ds}/{member}").glob("*.parquet"))
    return pd.concat(map(pd.read_parquet, paths), ignore_index=True)


def test_its_table_has_every_location_and_the_classes_made_of_them(read):
    table, cells = tables(read, "subcell.cells"), pd.read_parquet(read.folder / "results/cells/test.parquet")
    classes = read_classes(read.folder / "config/classes.csv")
    probabilities = [f"p{index:02d}" for index in range(len(classes))]
    assert list(table) == ["ID", "cell", *probabilities, *location_columns()]
    assert table[["ID", "cell"]].equals(cells[["ID", "cell"]])
    assert table[location_columns()].std().min() > 0
    members = read_location_classes(read.folder / "config/subcell_locations.csv", LOCATIONS, classes)
    for name, of_class in zip(probabilities, members, strict=True):
        expected = table[[f"location.{LOCATIONS[index]}" for index in of_class]].max(axis=1)
        np.testing.assert_array_equal(table[name], expected)


def test_both_are_joined_scored_ablated_exported_and_shown(read):
    results = read.folder / "results"
    table, cells = tables(read, "subcell.cells"), pd.read_parquet(results / "cells/test.parquet")
    paths = sorted((results / "step1/test/tiny.stage2").glob("[0-9]*[0-9].parquet"))
    ours = pd.concat(map(pd.read_parquet, paths), ignore_index=True)
    positive = [f"p{index:02d}" for index in range(18)]
    mean = (ours[positive] + table[positive]) / 2
    kept = cells[positive].to_numpy() > 0
    np.testing.assert_allclose(cells[positive].to_numpy()[kept], mean.to_numpy()[kept], atol=1e-6)
    score = pd.read_csv(results / "score/test.csv")
    assert score["prediction"].tolist() == ["broadcast", "step1", "step2", "ensemble"]
    ablation = pd.read_csv(results / "ablation/test.csv", keep_default_na=False)
    found = ablation.set_index(["prediction", "change", "tta"])["mean_ap"]
    # It has no views, and no setting of step 2 is one of SubCell.
    assert found["step2", "", False] == found["step2", "", True] == score["mean_ap"][2]
    assert not [change for change in ablation["change"] if change.startswith("step2")]
    assert "only step 2" in set(ablation["change"])
    with h5py.File(results / "export/test.h5ad") as file:
        np.testing.assert_allclose(file["obsm/step2"], table.filter(regex=r"^p\d"), rtol=1e-6)
        assert file["obsm/X_subcell.cells"].shape == (len(table), 128)
        assert json.loads(file["uns/settings"][()])["models.subcell.cells.crop_um"] == 51.26
    _, shown, _ = decoded(results / "view/data/run.js")
    assert [given["cells"] for given in shown["datasets"] if given["name"] == "test"] == [len(cells)]
    assert len(pd.read_csv(results / "submission.csv")) == cells["ID"].nunique()


def test_alone_it_answers_all_that_cells_can(read, tmp_path):
    project = read.copy(tmp_path / "project")
    done = project.run(*TARGETS, configuration=ALONE)
    assert done.returncode == 0, done.stdout[-4000:]
    results = project.folder / "results"
    assert pd.read_csv(results / "score/test.csv")["prediction"].tolist() == ["step2", "ensemble"]
    assert set(pd.read_csv(results / "ablation/test.csv")["prediction"]) == {"step2", "ensemble"}
    for target, expected in {
        "cams": "cams: the ensemble has no member of step 1",
        "bundle": "bundle: models.subcell: a bundle carries networks that were trained with this workflow",
    }.items():
        refused = project.run("-n", target, configuration=ALONE)
        assert refused.returncode != 0
        assert expected in refused.stdout


LEARNING = {"calibration": "oof_cells", "member_weights": "choose_members"}


@pytest.mark.parametrize("target", [*LEARNING, "results/oof/cells/holdout.parquet"])
def test_what_is_learned_from_its_answers_needs_to_know_what_it_has_seen(read, tmp_path, target):
    project = read.copy(tmp_path / "project")

    def stating(seen):
        def change(settings):
            with_subcell(settings)
            settings["models"]["subcell"]["seen"] = seen

        return project.configure("stating.yaml", change)

    unstated = project.run("-n", target, configuration=BOTH)
    assert unstated.returncode != 0
    assert "it is not known whether it was trained on fields of holdout" in unstated.stdout
    seen = project.run("-n", target, configuration=stating(["holdout"]))
    assert seen.returncode != 0
    assert "models.subcell was trained on fields of holdout (models.subcell.seen)" in seen.stdout
    planned = project.planned(target, configuration=stating([]))
    assert LEARNING.get(target, "oof_cells") in planned
    # The table that is there serves.
    assert "read_cells" not in planned


def test_a_model_that_has_seen_no_field_joins_the_ensemble_out_of_fold_and_teaches(changed):
    """Beside out-of-fold tables of the other member, its ordinary table counts, since it has seen no field."""
    convert(changed.folder)

    def change(settings):
        settings["models"]["subcell"] = {"cells": {"kind": "subcell", "weights": WEIGHTS}, "seen": []}
        settings["models"]["tiny"]["stages"]["pupil"] = {
            "kind": "cells",
            "start": "stage2",
            "datasets": ["train"],
            "learns_from": [{"model": "subcell"}],
            "targets": {"divide_by_largest": False, "least_quality": 0, "least_confidence": 0},
        }
        settings["ensemble"]["members"][1] = {"model": "subcell"}

    configuration = changed.configure("taught.yaml", change)
    joined, targets = "results/oof/cells/train.parquet", "results/targets/tiny/pupil/train.parquet"
    done = changed.run(joined, targets, configuration=configuration)
    assert done.returncode == 0, done.stdout[-4000:]
    results = changed.folder / "results"
    folds = [pd.read_csv(results / f"oof/tiny/stage2/fold{fold}.csv") for fold in (1, 2)]
    key, positive = ["ID", "cell"], [f"p{index:02d}" for index in range(18)]
    own = tables(changed, "subcell.cells", "train")
    both = pd.concat(folds).merge(own, on=key, suffixes=("_ours", ""))
    ensemble = pd.read_parquet(changed.folder / joined).merge(both, on=key, suffixes=("_found", ""))
    assert len(ensemble) == len(own)
    mean = (ensemble[[f"{name}_ours" for name in positive]].to_numpy() + ensemble[positive].to_numpy()) / 2
    found = ensemble[[f"{name}_found" for name in positive]].to_numpy()
    np.testing.assert_allclose(found[found > 0], mean[found > 0], atol=1e-5)
    # Of a field with labels, only the classes that it has.
    taught = pd.read_parquet(changed.folder / targets).merge(own, on=key, suffixes=("", "_own"))
    labels = pd.read_csv(results / "simulated/train/labels.csv", dtype=str).set_index("ID")["Label"]
    shown = labels.loc[taught["ID"]].str.split("|")
    present = np.array([[str(index) in names for index in range(18)] for names in shown])
    expected = np.where(present, taught[[f"{name}_own" for name in positive]], 0)
    np.testing.assert_allclose(taught[positive], expected, atol=1e-5)
    assert present.any()


def setting(text):
    return lambda project: project.edit(BOTH, "kind: subcell", f"kind: subcell\n      {text}")


def other_weights(project):
    convert(project.folder, classifiers=1)


def locations(project):
    project.edit(
        "config/subcell_locations.csv", "Endosomes,Vesicles and punctate cytosolic patterns", "Endosomes,"
    )


def library(module):
    def change(project):
        path = project.folder / "src/puzzlecell" / module
        path.write_text(path.read_text() + "\nEDITED = True\n")

    return change


CHANGES = {
    "size of the crops": (setting("crop_um: 40"), {"read_cells": 2} | AFTER),
    "mask and scaling": (setting("mask: none\n      scaling: channel"), {"read_cells": 2} | AFTER),
    "table of locations": (locations, {"read_cells": 2} | AFTER),
    "weights": (other_weights, {"read_cells": 2} | AFTER),
    "code of the network": (library("network/subcell.py"), {"read_cells": 2} | AFTER),
    "cells per pass": (setting("batch_size: 3"), {}),
    "how step 2 reads cells": (lambda p: p.edit(BOTH, "gpu: cpu\n", "gpu: cpu\nstep2: {margin: 0.3}\n"), {}),
    "weight of the member": (
        lambda p: p.edit(BOTH, "- model: subcell", "- model: subcell\n    weight: 3"),
        AFTER,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reads_cells_again_only_if_it_changes_what_is_read(read, tmp_path, change):
    make, expected = CHANGES[change]
    project = read.copy(tmp_path / "project")
    make(project)
    assert project.planned(configuration=BOTH) == expected


def damaged(project):
    path = project.folder / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def black_yellow(project):
    def change(settings):
        with_subcell(settings)
        channels = {"red": "red", "green": "green", "blue": "blue", "yellow": None}
        images = "results/simulated/test/images"
        given = {"role": "test", "pixel_size_um": 2.56, "images": images, "naming": "{ID}_{channel}.png"}
        settings["datasets"]["test"] = {**given, "channels": channels}

    project.configure("both.yaml", change)


MISTAKES = {
    "damaged weights": (
        damaged,
        f"models.subcell.cells.weights: {WEIGHTS}: damaged: its checksum does not match",
    ),
    "published weights that are not converted": (
        lambda p: shutil.copy(p.folder / "published/encoder.pth", p.folder / WEIGHTS),
        f"models.subcell.cells.weights: {WEIGHTS}: not a safetensors file",
    ),
    "weights of another network": (
        lambda p: shutil.copy(p.folder / "weights/stage2/fold1/model.safetensors", p.folder / WEIGHTS),
        "not a SubCell network; convert the published checkpoints with `puzzlecell convert-subcell`",
    ),
    "a black channel": (
        black_yellow,
        "in data set test, yellow is black; use the variant rbg of SubCell",
    ),
    "a class that does not exist": (
        lambda p: p.edit("config/subcell_locations.csv", "Endosomes,Vesicles", "Endosomes,Vesicle"),
        "no class 'Vesicle and punctate cytosolic patterns' in the class table; did you mean Vesicles and punctate",
    ),
    "a class without a location": (
        lambda p: p.edit("config/subcell_locations.csv", "Aggresome,Aggresome", "Aggresome,"),
        "no location belongs to Aggresome, so the probability would be 0; add locations, or leave the answer to the "
        "other members with ensemble.members.1.classes: {Aggresome: 0}",
    ),
    "a location that is missing": (
        lambda p: p.edit("config/subcell_locations.csv", "Midbody,\n", ""),
        "models.subcell.cells.locations: config/subcell_locations.csv: there is no line for Midbody;",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_files_that_do_not_fit_stop_a_run_before_its_first_job(read, tmp_path, mistake):
    make, expected = MISTAKES[mistake]
    project = read.copy(tmp_path / "project")
    make(project)
    refused = project.run("-n", configuration=BOTH)
    assert "This run would stop before its first job:\ncells cannot be read:" in refused.stdout
    assert expected in refused.stdout

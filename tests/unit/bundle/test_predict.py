"""What `puzzlecell predict` finds, assumes, writes and says before it runs the workflow."""

import re
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import yaml
from helpers.bundles import ready_values, write_bundle, write_run
from helpers.inference_data import SIZE
from helpers.paths import ROOT

from puzzlecell.bundle.export import RunFiles, export_bundle
from puzzlecell.bundle.images import shards_for
from puzzlecell.bundle.manifest import parsed
from puzzlecell.bundle.prediction import prepare_prediction
from puzzlecell.bundle.settings import implied_configuration
from puzzlecell.bundle.written_configuration import Edited
from puzzlecell.cli.main import main
from puzzlecell.cli.own_images import own_images
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.plausibility import Finding
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.runtime import project_run
from puzzlecell.scoring.warnings_table import write_warnings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(folder, folder / "bundle")
    return folder / "bundle"


def write_images(folder, ids=("w1", "w2"), size=(192, 192), *, dtype=np.uint8, high=200, dark=()):
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for field_id in ids:
        for channel in CHANNELS:
            top = 1 if channel in dark else high
            cv2.imwrite(
                str(folder / f"{field_id}_{channel}.png"), random.integers(0, top, size).astype(dtype)
            )
    return folder


def prepared(tmp_path, bundle, images=None, *, naming=None, id_form=None, channels=None, **options):
    images, output = images or write_images(tmp_path / "mine"), tmp_path / "out"
    found = own_images(images, output, naming=naming, id_form=id_form, channels=channels)
    return prepare_prediction(found, bundle, output, **options)


def test_the_implied_configuration_is_the_bundles_and_needs_no_training(tmp_path, bundle):
    prediction = prepared(tmp_path, bundle)
    values = yaml.safe_load(prediction.configuration.read_text())
    settings = load_configuration(values, tmp_path / "out")
    assert settings.trained_stages() == settings.training_sets() == []
    assert settings.datasets_of("test") == list(settings.datasets) == ["images"]
    assert settings.datasets["images"].pixel_size_um == 0.5
    made, _ = write_run(tmp_path)
    for section in ("ingest", "segmentation", "step1", "step2", "ensemble", "submission", "plausibility"):
        assert getattr(settings, section) == getattr(made, section)
    assert settings.datasets["images"].images == str(tmp_path / "mine")
    shown = "\n".join(prediction.found)
    for expected in (
        "2 fields in ",
        "192 x 192 pixels, 8-bit",
        "0.5 um, assumed: that of the training fields",
        "shapes: 4 classes; m s, 2 folds each",
        "config.yaml, new",
    ):
        assert expected in shown
    assert prediction.warnings == []


@pytest.mark.parametrize(
    ("change", "section"),
    [
        ({"ensemble": {"class_thresholds": {"b": 0.3, 3: 0.2}}}, "ensemble"),
        ({"ensemble": {"preset": "crodoc"}}, "ensemble"),
        ({"ensemble": {"image_fusion": {"except_classes": [1]}}}, "ensemble"),
        ({"ensemble": {"image_fusion": {"class_weights": {1: 0.2, "a": 1}}}}, "ensemble"),
        (
            {
                "ensemble": {
                    "members": [
                        {"model": "m", "stage": "s", "step": 1, "classes": {"b": 0}},
                        {"model": "m", "stage": "s", "step": 2, "classes": {0: 2}},
                    ]
                }
            },
            "ensemble",
        ),
        ({"segmentation": {"method": "cellpose", "size": 64, "cellpose": {"model": "x"}}}, "segmentation"),
        ({"step2": {"source": "raw", "tta": {"flip": True}}}, "step2"),
        ({"step1": {"quantile": 0.9, "average": "scores"}}, "step1"),
        ({"negative": None}, "negative"),
        ({"fields": {"source": "both", "fill": "a", "cells": {"combine": "max"}}}, "fields"),
        ({"labels": {"without_class": "leave_out"}}, "labels"),
        ({"ingest": {"intensity": {"rule": "depth", "bits": [12, 12, 16, 8]}}}, "ingest"),
        ({"unlike_training": {"level": 0.9}}, "unlike_training"),
        ({"plausibility": {"max_implausible": 1}}, "plausibility"),
        ({"calibration": {"least_cells": 5, "calls": {"by": "precision"}}}, "calibration"),
    ],
)
def test_settings_come_back_from_a_bundle_as_they_were(tmp_path, change, section):
    values = ready_values(tmp_path)
    for key, value in change.items():
        change[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    write_bundle(tmp_path, tmp_path / "bundle", **change)
    manifest = parsed("manifest", (tmp_path / "bundle/manifest.json").read_bytes())
    datasets = {"images": {"role": "test"}}
    found = implied_configuration(manifest, str(tmp_path / "bundle"), datasets)
    settings = load_configuration(yaml.safe_load(yaml.safe_dump(found)))
    made, _ = write_run(tmp_path, **change)
    if section == "segmentation":
        assert settings.segmentation.chosen == made.segmentation.chosen
    assert getattr(settings, section) == getattr(made, section)


def test_a_calibration_comes_with_the_bundle_and_is_applied(tmp_path):
    settings, files = write_run(tmp_path, calibration={"file": "this_run"})
    (tmp_path / "calibration.csv").write_text("class,method\n")
    carried = replace(files, carried={"calibration.csv": tmp_path / "calibration.csv"})
    manifest = export_bundle(tmp_path / "bundle", settings, carried)
    found = implied_configuration(manifest, "model", {"images": {"role": "test"}})
    assert found["calibration"]["file"] == "model/calibration.csv"
    assert (tmp_path / "bundle/calibration.csv").is_file()
    assert "calibrated probabilities and calls" in (tmp_path / "bundle/README.md").read_text()
    without = export_bundle(tmp_path / "plain", settings, files)
    assert "file" not in implied_configuration(without, "model", {"images": {"role": "test"}})["calibration"]


def write_tiffs(folder, words, separator="_", um=None):
    """Two fields as TIFFs of other names."""
    folder.mkdir()
    random = np.random.default_rng(0)
    resolution = (
        {} if um is None else {"resolution": (1 / um, 1 / um), "metadata": {"unit": "um"}, "imagej": True}
    )
    for field_id in ("A1", "B2"):
        for word in words:
            image = random.integers(0, 200, (192, 192), np.uint8)
            tifffile.imwrite(folder / f"{field_id}{separator}{word}.tif", image, **resolution)
    return folder


WORDS = ("tubulin", "protein", "dapi", "er")


@pytest.mark.parametrize(
    ("words", "given", "entry", "shown"),
    [
        # Names that tell by themselves.
        (
            WORDS,
            {},
            {"naming": "{ID}_{channel}.tif", "channels": dict(zip(CHANNELS, WORDS, strict=True))},
            "red: tubulin, green: protein, blue: dapi, yellow: er (found by looking at the files)",
        ),
        (
            ("1", "2", "3"),
            {"naming": "{well}_{channel}.tif", "channels": "red=1,green=2,blue=3,yellow=zero"},
            {
                "naming": "{well}_{channel}.tif",
                "channels": {"red": "1", "green": "2", "blue": "3", "yellow": None},
            },
            "{well}_{channel}.tif; red: 1, green: 2, blue: 3, yellow: black (as given)",
        ),
        (
            ("tubulin", "protein", "dapi"),
            {"naming": "{row,[A-H]}{column}_{channel}.tif", "id_form": "{column}{row}"}
            | {"channels": "red=tubulin,green=protein,blue=dapi,yellow=same:red"},
            {
                "naming": "{row,[A-H]}{column}_{channel}.tif",
                "ID": "{column}{row}",
                "channels": {
                    "red": "tubulin",
                    "green": "protein",
                    "blue": "dapi",
                    "yellow": {"same_as": "red"},
                },
            },
            "yellow: the images of red (as given)",
        ),
    ],
)
def test_images_of_other_names(tmp_path, bundle, *, words, given, entry, shown):
    prediction = prepared(tmp_path, bundle, write_tiffs(tmp_path / "mine", words), **given)
    found = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
    assert found.pop("images") == str(tmp_path / "mine")
    assert found == {"role": "test", **entry, "pixel_size_um": 0.5, "shards": 1}
    load_configuration(yaml.safe_load(prediction.configuration.read_text()), tmp_path / "out")
    assert shown in prediction.found[1]
    missing = [text for text in prediction.warnings if text.startswith("channel ")]
    assert len(missing) == (len(words) < 4)


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        # Dyes, a missing stain and numbers are for a person to judge; the options say what would be used.
        (
            ("af555", "af488", "dapi", "af647"),
            {},
            "--naming '{ID}_{channel}.tif' --channels red=af555,green=af488,blue=dapi,yellow=af647",
        ),
        (
            ("tubulin", "protein", "dapi"),
            {},
            "--naming '{ID}_{channel}.tif' --channels red=tubulin,green=protein,blue=dapi,yellow=zero",
        ),
        (
            ("w1", "w2", "w3", "w4"),
            {"channels": "blue=w1"},
            "--naming '{ID}_{channel}.tif' --channels red=DECIDE,green=DECIDE,blue=w1,yellow=DECIDE",
        ),
        (
            ("w1", "w2", "w3", "w4"),
            {"channels": "blue=page:1"},
            "--naming '{ID}_{channel}.tif' --channels red=DECIDE,green=DECIDE,blue=page:1,yellow=DECIDE",
        ),
    ],
)
def test_what_is_not_clear_is_asked(tmp_path, bundle, *, words, options, expected):
    folder = write_tiffs(tmp_path / "mine", words)
    with pytest.raises(UserError, match="not clear which image is what") as error:
        prepared(tmp_path, bundle, folder, **options)
    assert f"    {expected}" in str(error.value).splitlines()
    assert not (tmp_path / "out").exists()
    if "DECIDE" not in expected:
        _, naming, _, channels = shlex.split(expected)
        prepared(tmp_path, bundle, folder, naming=naming, channels=channels)


def write_table(folder, sizes, name="images.csv"):
    """A table of images; sizes: texts for the column of pixel sizes, None: no such column."""
    write_images(folder)
    rows = [
        [field_id, *(f"{field_id}_{channel}.png" for channel in CHANNELS), *([size] if sizes else [])]
        for field_id, size in zip(("w1", "w2"), sizes or ("", ""), strict=True)
    ]
    header = ["ID", *CHANNELS, *(["pixel_size_um"] if sizes else [])]
    (folder / name).write_text("\n".join([",".join(row) for row in [header, *rows]]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("sizes", "given", "configured", "shown"),
    [
        (None, None, 0.5, "0.5 um, assumed: that of the training fields"),
        (("0.4", "0.4"), None, None, "0.4 um, from images.csv"),
        (("0.4", "0.5"), None, None, "0.4 to 0.5 um, from images.csv"),
        (("0.4", ""), 0.6, 0.6, "0.6 um, as given; 0.4 um for 1 fields in images.csv; the training"),
        (("0.4", ""), None, 0.5, "0.5 um, assumed"),
        (("0.4", "0.4"), 0.6, UserError, "--pixel-size: .*images.csv has a column pixel_size_um"),
    ],
)
def test_tables_of_images_and_their_pixel_sizes(tmp_path, bundle, *, sizes, given, configured, shown):
    folder = write_table(tmp_path / "mine", sizes)
    if configured is UserError:
        with pytest.raises(UserError, match=shown):
            prepared(tmp_path, bundle, folder, pixel_size_um=given)
        return
    for images in (folder, folder / "images.csv"):
        prediction = prepared(tmp_path, bundle, images, pixel_size_um=given)
        found = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
        assert found.get("pixel_size_um") == configured
        assert found["images"] == str(folder / "images.csv")
        assert "naming" not in found
        assert shown in prediction.found[2]
    # A pattern overrules the table.
    found = prepared(tmp_path, bundle, folder, naming="{ID}_{channel}.png").configuration.read_text()
    assert yaml.safe_load(found)["datasets"]["images"]["images"] == str(folder)


@pytest.mark.parametrize(
    ("given", "configured", "shown", "warnings"),
    [
        (
            None,
            0.25,
            "0.25 um, from the metadata of the images",
            ["scale: the networks see cells 2.0 times as large"],
        ),
        (
            0.5,
            0.5,
            "0.5 um, as given",
            ["pixel size: 0.5 um is given, but the metadata of the images says 0.25 um"],
        ),
    ],
)
def test_the_pixel_size_of_metadata(tmp_path, bundle, *, given, configured, shown, warnings):
    folder = write_tiffs(tmp_path / "mine", WORDS, um=0.25)
    prediction = prepared(tmp_path, bundle, folder, pixel_size_um=given)
    found = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
    assert found["pixel_size_um"] == configured
    assert shown in prediction.found[2]
    assert [text[: len(start)] for text, start in zip(prediction.warnings, warnings, strict=True)] == warnings
    if given is None:
        tifffile.imwrite(folder / "B2_dapi.tif", np.zeros((192, 192), np.uint8))
        for word in WORDS:
            tifffile.imwrite(folder / f"B2_{word}.tif", np.zeros((192, 192), np.uint8))
        with pytest.raises(UserError, match=r"--pixel-size: needed, .*such as field B2"):
            prepared(tmp_path, bundle, folder)


def test_the_intensity_rule_of_the_model_is_used_to_compare(tmp_path):
    """12-bit images in 16-bit files look dark by the reference rule, but not by percentiles."""
    rule = {"rule": "percentiles", "low": 0, "high": 100}
    write_bundle(tmp_path, tmp_path / "bundle", ingest={"size": SIZE, "intensity": rule})
    folder = write_images(tmp_path / "mine", dtype=np.uint16, high=4096)
    assert "| intensity rule | percentiles |" in (tmp_path / "bundle/README.md").read_text()
    assert prepared(tmp_path, tmp_path / "bundle", folder).warnings == []
    depth = {"rule": "depth", "bits": 8}
    write_bundle(tmp_path, tmp_path / "bundle", ingest={"size": SIZE, "intensity": depth})
    found = prepared(tmp_path, tmp_path / "bundle", folder).warnings
    assert "intensity: 16-bit images; the training fields had 8-bit. The model scales all" in found[0]
    assert "above the 255 of ingest.intensity.bits" in found[1]


def test_images_left_out_and_results_inside_the_folder(tmp_path, bundle):
    """Images of other names are said, pictures among the results of an earlier run are no images."""
    folder = write_images(tmp_path / "mine")
    (folder / "overview.jpg").touch()
    prediction = prepared(tmp_path, bundle, folder)
    assert prediction.warnings == ["names: 1 images have other names and are left out: overview.jpg"]
    folder = write_tiffs(tmp_path / "tiffs", WORDS)
    (folder / "out").mkdir()
    cv2.imwrite(str(folder / "out/picture.png"), np.zeros((9, 9), np.uint8))
    found = own_images(folder, folder / "out", naming=None, id_form=None, channels=None)
    assert found.sources.ids == ("A1", "B2")


def test_own_label_images_are_not_asked_of_others(tmp_path):
    write_bundle(tmp_path, tmp_path / "bundle", segmentation={"method": "masks"})
    with pytest.raises(UserError, match="add --segmenter classical"):
        prepared(tmp_path, tmp_path / "bundle")
    prediction = prepared(tmp_path, tmp_path / "bundle", segmenter="classical")
    assert yaml.safe_load(prediction.configuration.read_text())["segmentation"]["method"] == "classical"


@pytest.mark.parametrize(
    ("images", "pixel_size", "expected"),
    [
        ({}, 0.5, []),
        (
            {},
            1.2,
            [
                "scale: the networks see cells 2.4 times smaller than in training. A stored pixel is 2.4 um here"
            ],
        ),
        ({}, 0.25, ["scale: the networks see cells 2.0 times as large than in training"]),
        # Half the pixels of twice the size: the same field.
        ({"size": (96, 96)}, 1.0, []),
        ({"size": (96, 192)}, 0.7, ["shape: fields of 192 x 96 pixels are squeezed"]),
        (
            {"dtype": np.uint16, "high": 50000},
            0.5,
            ["intensity: 16-bit images; the training fields had 8-bit"],
        ),
        (
            {"dtype": np.uint16, "high": 4096},
            0.5,
            [
                "intensity: 16-bit",
                *[f"intensity of {channel}: 11.8 times darker than in training" for channel in CHANNELS],
            ],
        ),
        ({"dark": ("yellow",)}, 0.5, ["channel yellow: black in all sampled fields"]),
    ],
)
def test_differences_from_the_training_fields_are_said(tmp_path, bundle, images, pixel_size, expected):
    folder = write_images(tmp_path / "mine", **images)
    found = prepared(tmp_path, bundle, folder, pixel_size_um=pixel_size).warnings
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert re.sub(r"\d+\.\d times darker", "11.8 times darker", text).startswith(start)


def test_a_configuration_changed_by_hand_is_not_replaced_silently(tmp_path, bundle):
    path = prepared(tmp_path, bundle).configuration
    assert prepared(tmp_path, bundle).found[-1].endswith("config.yaml, unchanged")
    changed = prepared(tmp_path, bundle, pixel_size_um=0.4)
    assert changed.found[-1].endswith("config.yaml, changed: datasets.images.pixel_size_um 0.5 -> 0.4")
    mine = path.read_text().replace("pixel_size_um: 0.4", "pixel_size_um: 0.3")
    path.write_text(mine)
    with pytest.raises(UserError, match="was changed by hand. Add --edited keep"):
        prepared(tmp_path, bundle)
    assert prepared(tmp_path, bundle, edited=Edited.KEEP).found[-1].endswith("kept as it was changed by hand")
    assert path.read_text() == mine
    assert "replaced" in prepared(tmp_path, bundle, edited=Edited.REPLACE).found[-1]
    assert prepared(tmp_path, bundle).found[-1].endswith("unchanged")


def test_more_images_do_not_change_the_number_of_shards(tmp_path, bundle):
    folder = write_images(tmp_path / "mine", [f"w{number}" for number in range(20)])
    path = prepared(tmp_path, bundle, folder).configuration
    assert yaml.safe_load(path.read_text())["datasets"]["images"]["shards"] == 2
    before = path.read_bytes()
    write_images(folder, ["x"])
    prepared(tmp_path, bundle, folder)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "shards"), [(1, 1), (10, 1), (40, 4), (1000, 16), (10_000, 100), (200_000, 1000)]
)
def test_shards_give_cores_work_without_becoming_many(fields, shards):
    assert shards_for(fields) == shards


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere: there is no such folder; expected one with images, or a table images.csv"),
        (["none.csv"], "none.csv: there is no such table of images"),
        (["other"], "the first image cannot be read: other/a.tif: "),
        (["empty"], "empty: no image among its 0 files; expected PNG, TIFF or JPEG"),
        (
            ["empty", "--naming", "{x}_{channel}.tif"],
            "empty: no images named {x}_{channel}.tif with the channels red,",
        ),
        (
            ["empty", "--naming", "{x}.tif"],
            "naming '{x}.tif' has no group {channel}; say which channel of the file",
        ),
        (["bad"], "the ID 'a,b' contains a comma"),
        (["mine", "--naming", "{x.png"], "'{x.png' has an opening brace that is never closed"),
        (["mine", "--id", "{x}"], "--id: needs --naming, whose groups it is made of"),
        (["mine", "--channels", "red=x,pink=y"], "--channels: found 'pink=y'; expected CHANNEL=WHAT"),
        (["mine", "--channels", "red=x,red=y"], "--channels: red is given twice"),
        (
            ["mine", "--channels", "red=same:pink"],
            "--channels: found 'same:pink'; expected same: with one of red",
        ),
        (
            ["mine", "--channels", "red=DECIDE"],
            "--channels: replace DECIDE by what the channel is in the files",
        ),
        (["mine", "--model", "none.zip"], "none.zip: there is no such folder or zip file"),
        (["mine", "--model", "mine"], "mine: no bundle: there is no manifest.json in it"),
        (["mine", "--output", "file.txt"], "file.txt: is a file; expected a folder for the results"),
        (["mine", "--pixel-size", "0"], "--pixel-size: found 0; expected micrometres, above 0 and up to 100"),
        (["mine", "--subcell", "none.safetensors"], "none.safetensors: "),
        (["mine", "--subcell", "file.txt"], "file.txt: "),
        (["mine", "--cores", "0"], "--cores: found 0; expected at least 1"),
    ],
)
def test_mistakes_are_said_in_words(tmp_path, bundle, monkeypatch, capsys, *, arguments, expected):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.tif").touch()
    (tmp_path / "empty").mkdir()
    write_images(tmp_path / "bad", ["a,b"])
    (tmp_path / "file.txt").touch()
    defaults = {"--model": str(bundle), "--output": "out"}
    given = [text for key, value in defaults.items() if key not in arguments for text in (key, value)]
    assert main(["predict", *arguments, *given]) == 1
    *others, line = capsys.readouterr().err.splitlines()
    # Of each file with an ID that cannot be used, a line is shown.
    assert not others or "contains a comma" in expected
    assert line.startswith("puzzlecell: ")
    assert expected in line
    assert not (tmp_path / "out/config.yaml").exists()


def test_a_pixel_size_that_nobody_knows_is_asked_for(tmp_path):
    settings, files = write_run(tmp_path)
    facts = export_bundle(tmp_path / "bundle", settings, RunFiles(files.weights))
    assert "pixel_size_um" not in facts["images"]
    assert "Not known" in (tmp_path / "bundle/README.md").read_text()
    with pytest.raises(
        UserError, match="--pixel-size: needed, because that of the training fields is not known"
    ):
        prepared(tmp_path, tmp_path / "bundle")
    assert "0.4 um, as given" in "\n".join(prepared(tmp_path, tmp_path / "bundle", pixel_size_um=0.4).found)


def test_snakemake_is_called_with_the_project_the_folder_and_the_further_options(
    tmp_path, bundle, monkeypatch, capsys
):
    called = []

    def snakemake(arguments):
        called.extend(arguments)
        (tmp_path / "out/results/cells").mkdir(parents=True)
        (tmp_path / "out/results/cells/images.parquet").touch()
        findings = [Finding("images", "", "all fields look unlike"), Finding("images", "a", "no cell")]
        write_warnings(tmp_path / "out/results/warnings.csv", findings)
        raise SystemExit(0)

    monkeypatch.setattr("snakemake.cli.main", snakemake)
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "mine")
    given = ["predict", "mine", "--model", str(bundle), "--output", "out", "--profile", "profiles/slurm"]
    assert main([*given, "--", "--rerun-triggers", "mtime", "masks"]) == 0
    expected = f"--snakefile {ROOT}/Snakefile --directory {tmp_path}/out"
    expected += f" --workflow-profile {ROOT}/profiles/default --profile {ROOT}/profiles/slurm"
    expected += f" --rerun-triggers mtime masks --configfile {tmp_path}/out/config.yaml"
    assert " ".join(called) == expected
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [
        "results in out/results:",
        "    out/results/cells/images.parquet  cells, with their probabilities",
        "    out/results/warnings.csv  what looked wrong",
        "warning: all fields look unlike",
    ]


@pytest.mark.parametrize(
    ("status", "said"), [(1, "not finished; logs are in out/results/logs"), (130, "stopped; run")]
)
def test_the_exit_status_is_that_of_the_run(tmp_path, bundle, monkeypatch, capsys, *, status, said):
    def snakemake(arguments):
        if status == 130:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                # As Snakemake ends.
                raise SystemExit(1) from None
        raise SystemExit(status)

    monkeypatch.setattr("snakemake.cli.main", snakemake)
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "mine")
    assert main(["predict", "mine", "--model", str(bundle), "--output", "out"]) == status
    assert said in capsys.readouterr().err


def test_an_installed_copy_without_the_workflow_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project_run, "__file__", str(tmp_path / "a/b/c/d/project_run.py"))
    with pytest.raises(UserError, match="not installed with the package: run this in a clone"):
        project_run.project_folder()
    monkeypatch.chdir(ROOT)
    assert project_run.project_folder() == ROOT


def test_the_command_bundle_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", "--output", "x"]) == 1
    assert "there is no Snakefile here" in capsys.readouterr().err
    code = "import sys; from puzzlecell.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "bundle", "--output", str(tmp_path / "x")]
    folder = empty_project(tmp_path / "project")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        "the run is not finished: there is no results/models/lite0/stage2/fold1/model.safetensors"
        in done.stderr
    )
    assert "make the bundle with `snakemake --cores all bundle`" in done.stderr


def empty_project(folder: Path) -> Path:
    """The project without results."""
    folder.mkdir()
    for name in ("Snakefile", "rules", "workflow", "config", "envs", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    return folder

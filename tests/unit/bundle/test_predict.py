"""What `puzzlecell predict` finds, assumes, writes and says before it runs the workflow."""

import argparse
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from helpers.bundles import ready_values, write_bundle, write_run
from helpers.paths import ROOT

from puzzlecell.bundle.export import RunFiles, export_bundle
from puzzlecell.bundle.images import shards_for
from puzzlecell.bundle.manifest import parsed
from puzzlecell.bundle.prediction import prepare_prediction
from puzzlecell.bundle.settings import implied_configuration
from puzzlecell.bundle.written_configuration import Edited
from puzzlecell.cli.main import main
from puzzlecell.cli.predict import _channel
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError
from puzzlecell.runtime import project_run


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


def prepared(tmp_path, bundle, images=None, **options):
    images = images or write_images(tmp_path / "mine")
    return prepare_prediction(images, bundle, tmp_path / "out", **options)


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
        ({"segmentation": {"method": "cellpose", "size": 64, "cellpose": {"model": "x"}}}, "segmentation"),
        ({"step2": {"source": "raw", "tta": {"flip": True}}}, "step2"),
        ({"step1": {"quantile": 0.9, "average": "scores"}}, "step1"),
        ({"negative": None}, "negative"),
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


def test_names_and_channels_of_the_files_are_those_of_the_command(tmp_path, bundle):
    folder = write_images(tmp_path / "mine", ["A1_s1"])
    for channel, name in {"red": "tub", "green": "prot", "blue": "dapi"}.items():
        (folder / f"A1_s1_{channel}.png").rename(folder / f"A1-s1-{name}.png")
    (folder / "A1_s1_yellow.png").unlink()
    channels = {"red": "tub", "green": "prot", "blue": "dapi", "yellow": None}
    prediction = prepared(tmp_path, bundle, folder, naming="{well}-{site}-{channel}.png", channels=channels)
    given = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
    assert (given["naming"], given["channels"]) == ("{well}-{site}-{channel}.png", channels)
    assert (
        "{well}-{site}-{channel}.png with the channels red: tub, green: prot, blue: dapi"
        in prediction.found[1]
    )
    assert prediction.warnings == [
        "channel yellow: black in all sampled fields; the model was trained with it"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red=tub", ("red", "tub")),
        ("blue=2", ("blue", 2)),
        ("yellow=null", ("yellow", None)),
        ("pink=x", None),
        ("red", None),
    ],
)
def test_channels_of_the_command_line(text, expected):
    if expected is None:
        with pytest.raises(
            argparse.ArgumentTypeError, match="expected one of red, green, blue, yellow and a name"
        ):
            _channel(text)
    else:
        assert _channel(text) == expected


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
        (["nowhere"], "nowhere: there is no such folder; expected one with images, or a CSV that names them"),
        (
            ["other"],
            "other: no file matches naming '{ID}_{channel}.png', channels red, green, blue, yellow; it contains a.tif",
        ),
        (["empty"], "empty: no file matches naming '{ID}_{channel}.png'"),
        (["mine", "--model", "none.zip"], "none.zip: there is no such folder or zip file"),
        (["mine", "--model", "mine"], "mine: no bundle: there is no manifest.json in it"),
        (["mine", "--output", "file.txt"], "file.txt: is a file; expected a folder for the results"),
        (["mine", "--pixel-size", "0"], "--pixel-size: found 0; expected micrometres, above 0 and up to 100"),
        (["mine", "--cores", "0"], "--cores: found 0; expected at least 1"),
    ],
)
def test_mistakes_are_said_in_one_line(tmp_path, bundle, monkeypatch, capsys, *, arguments, expected):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.tif").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    defaults = {"--model": str(bundle), "--output": "out"}
    given = [text for key, value in defaults.items() if key not in arguments for text in (key, value)]
    assert main(["predict", *arguments, *given]) == 1
    (line,) = capsys.readouterr().err.splitlines()
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
    assert lines[-2:] == [
        "results in out/results:",
        "    out/results/cells/images.parquet  cells, with their probabilities",
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

"""`puzzlecell predict` as a command: mistakes, how Snakemake is called, and the exit status."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.bundles import write_run
from helpers.own_images import prepared, write_images
from helpers.paths import ROOT

from puzzlecell.bundle.export import RunFiles, export_bundle
from puzzlecell.cli.main import main
from puzzlecell.data.plausibility import Finding
from puzzlecell.errors import UserError
from puzzlecell.runtime import project_run
from puzzlecell.scoring.warnings_table import write_warnings


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

"""`puzzlecell validate`: what a run would say before its first job, without a run."""

import subprocess
import sys

import pytest
import yaml

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from puzzlecell.cli.main import main; sys.exit(main())",
    "validate",
]


def validate(project, *arguments, **options):
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=options.get("cwd", project.folder),
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def files(project):
    return sorted(path for path in project.folder.rglob("*") if "__pycache__" not in str(path))


def test_a_run_that_could_begin(fresh, tmp_path):
    before = files(fresh)
    done = validate(fresh, "--configfile", "config/tiny.yaml")
    assert done.returncode == 0, done.stdout
    for text in ("the configuration and the plan: fine, 61 jobs to run (", "networks to be trained: fine ("):
        assert text in done.stdout
    assert done.stdout.endswith("all checks passed; nothing was run\n")
    assert files(fresh) == before


def mistakes(settings):
    settings["datasets"]["test"] = {"role": "test"}
    settings["datasets"]["other"] = {"role": "test"}
    settings["segmentation"] = {"method": "masks"}
    settings["fields"] = {"thresholds": "config/thresholds.csv"}
    settings["folds"]["count"] = 7
    settings["models"]["tiny"]["network"]["backbone"] = "test_resnetz"


EXPECTED = [
    "data set test: 1 of 1 fields are damaged",
    "data set train: 6 groups cannot be split into 7 folds",
    "there is no folder data/other/masks; segmentation.method: masks reads <ID>_cells.png from it",
    "data/test/masks: 1 of 1 fields have no <ID>_cells.png, such as a_cells.png",
    "config/thresholds.csv: line 2: no class 'Cytosole'; did you mean Cytosol?",
]


def test_all_mistakes_are_reported_at_once(fresh):
    configuration = fresh.configure("bad.yaml", mistakes)
    (fresh.folder / "config/thresholds.csv").write_text("class,threshold\nCytosole,0.3\nall,0.3\n")
    for name in ("test", "other"):
        (fresh.folder / f"data/{name}/images").mkdir(parents=True)
    (fresh.folder / "data/test/masks").mkdir()
    (fresh.folder / "data/test/labels.csv").write_text("ID\na\n")
    (fresh.folder / "data/other/labels.csv").write_text("ID\nb\n")
    before = files(fresh)
    done = validate(fresh, "--configfile", configuration)
    assert done.returncode == 1, done.stdout
    for expected in [*EXPECTED, "models.tiny.stages.stage1: ", "test_resnetz"]:
        assert expected in done.stdout
    assert (
        "tables and headers of all images of test (1 fields), other (1 fields); folds: problems ("
        in done.stdout
    )
    assert done.stdout.endswith("puzzlecell: this run would stop before its first job; nothing was run\n")
    assert files(fresh) == before
    # The dry run makes the quick ones of these checks.
    dry = fresh.run("-n", configuration=configuration)
    for expected in EXPECTED:
        assert expected in dry.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--configfile", "config/bad.yaml"], "ingest.sise: unknown key; did you mean size?"),
        (["--configfile", "config/none.yaml"], "--configfile: there is no file"),
        (
            ["results/nothing.csv", "--configfile", "config/tiny.yaml"],
            "No rule to produce results/nothing.csv",
        ),
        (["--directory", "none"], "--directory: there is no folder none"),
    ],
)
def test_what_cannot_be_planned(fresh, arguments, expected):
    fresh.configure("bad.yaml", lambda settings: settings["ingest"].update(sise=3))
    done = validate(fresh, *arguments)
    assert done.returncode == 1, done.stdout
    assert expected in done.stdout
    assert "Traceback" not in done.stdout


def test_another_folder(fresh, tmp_path):
    """The run works in its own folder, with the files of the project."""
    settings = yaml.safe_load((fresh.folder / "config/tiny.yaml").read_text())
    (tmp_path / "run/config").mkdir(parents=True)
    (tmp_path / "run/config/classes.csv").write_bytes((fresh.folder / "config/classes.csv").read_bytes())
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(settings))
    given = ["--directory", "run", "--snakefile", str(fresh.folder / "Snakefile"), "--configfile", "own.yaml"]
    done = validate(fresh, "results/submission.csv", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in (tmp_path / "run").rglob("*")) == ["classes.csv", "config"]

from pathlib import Path

from puzzlecell.imports import PACKAGE, library_files

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def names(script):
    return {str(Path(path).relative_to(PACKAGE)) for path in library_files(script)}


def test_imports_are_followed_through_modules(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from puzzlecell.rawfiles import shard_of\n")
    assert names(script) == {"__init__.py", "rawfiles.py", "labels.py"}


def test_imports_inside_functions_and_submodules_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def f():\n    from puzzlecell import config\n    import puzzlecell.config.base\n")
    assert names(script) == {"__init__.py", "config/__init__.py", "config/base.py"}


def test_scripts_depend_on_what_they_use_and_on_nothing_else():
    assert {"ingest.py", "store.py", "fields.py"} <= names(SCRIPTS / "ingest.py")
    assert not {"network.py", "training.py", "cam.py"} & names(SCRIPTS / "ingest.py")
    assert {"training.py", "network.py", "losses.py"} <= names(SCRIPTS / "train.py")
    assert not {"cam.py", "scoring.py", "segmentation/classical.py"} & names(SCRIPTS / "train.py")
    assert "segmentation/classical.py" in names(SCRIPTS / "segment.py")
    assert not {"training.py", "losses.py"} & names(SCRIPTS / "step1.py")


def test_no_script_depends_on_the_whole_configuration():
    for script in SCRIPTS.glob("*.py"):
        assert "config/workflow.py" not in names(script), script.name

from pathlib import Path

from helpers.paths import ROOT

from puzzlecell.runtime.script_imports import PACKAGE, library_files

SCRIPTS = ROOT / "workflow/scripts"


def names(script):
    return {str(Path(path).relative_to(PACKAGE)) for path in library_files(script)}


def test_imports_are_followed_through_modules(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from puzzlecell.data.raw_files import shard_of\n")
    assert names(script) == {"__init__.py", "data/__init__.py", "data/raw_files.py", "data/labels.py"}


def test_imports_inside_functions_and_submodules_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def f():\n    from puzzlecell import config\n    import puzzlecell.config.base\n")
    assert names(script) == {"__init__.py", "config/__init__.py", "config/base.py"}


def test_scripts_depend_on_what_they_use_and_on_nothing_else():
    assert {"data/ingest.py", "data/store.py", "data/fields.py"} <= names(SCRIPTS / "ingest.py")
    assert not {"network/cam_network.py", "training/train.py", "inference/step1.py"} & names(
        SCRIPTS / "ingest.py"
    )
    assert {"training/train.py", "network/cam_network.py", "training/losses.py"} <= names(
        SCRIPTS / "train.py"
    )
    assert not {"inference/step1.py", "scoring/average_precision.py", "segmentation/classical.py"} & names(
        SCRIPTS / "train.py"
    )
    assert "segmentation/classical.py" in names(SCRIPTS / "segment.py")
    assert not {"training/train.py", "training/losses.py"} & names(SCRIPTS / "step1.py")


def test_no_script_depends_on_the_whole_configuration():
    for script in SCRIPTS.glob("*.py"):
        assert "config/workflow.py" not in names(script), script.name

from pathlib import Path

import pytest
from helpers.paths import ROOT

from puzzlecell.runtime.code_digest import PACKAGE, code_digest, library_files

SCRIPTS = ROOT / "workflow/scripts"
CODE = """
import os

LIMIT: int = 3


def double(value: int) -> int:
    return 2 * value


class Settings(Section):
    size: int = Field(3, ge=1, description="Side in pixels.")
"""


def names(script, *modules):
    return {str(Path(path).relative_to(PACKAGE)) for path in library_files(script, modules)}


def test_imports_are_followed_through_modules(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from puzzlecell.data.ids import read_field_ids\n")
    modules = {"data/__init__.py", "data/text_tables.py", "data/ids.py"}
    assert names(script) == {"__init__.py", "errors.py", "regular_file.py", *modules}


def test_imports_inside_functions_and_submodules_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("def f():\n    from puzzlecell import config\n    import puzzlecell.config.base\n")
    assert names(script) == {"__init__.py", "config/__init__.py", "config/base.py", "config/numbers.py"}


@pytest.mark.parametrize(
    "place",
    [
        "if a:\n    pass\nelse:\n    {}",
        "try:\n    {}\nfinally:\n    pass",
        "try:\n    pass\nexcept OSError:\n    {}",
        "try:\n    pass\nfinally:\n    {}",
        "with a:\n    {}",
        "match a:\n    case 1:\n        {}",
        "class A:\n    async def f():\n        for b in c:\n            {}",
    ],
)
def test_imports_count_wherever_they_are(tmp_path, place):
    script = tmp_path / "script.py"
    script.write_text(place.format("import puzzlecell.errors"))
    assert names(script) == {"__init__.py", "errors.py"}


def test_scripts_depend_on_what_they_use_and_on_nothing_else():
    assert {"data/ingest.py", "data/store.py", "data/fields.py"} <= names(SCRIPTS / "ingest.py")
    assert not {"network/cam_network.py", "training/train.py"} & names(SCRIPTS / "ingest.py")
    assert {"training/train.py", "network/cam_network.py"} <= names(SCRIPTS / "train.py")
    others = {"inference/step1.py", "scoring/average_precision.py", "segmentation/classical.py"}
    assert not others & names(SCRIPTS / "train.py")
    assert not {"training/train.py", "training/losses.py"} & names(SCRIPTS / "step1.py")


@pytest.mark.parametrize("method", ["classical", "hpa_dpn"])
def test_segmentation_depends_on_the_chosen_segmenter_only(method):
    found = names(SCRIPTS / "segment.py", f"puzzlecell.segmentation.{method}")
    for other in ("classical", "hpa_dpn", "cellpose", "hpacellseg"):
        assert (f"segmentation/{other}.py" in found) == (other == method)


def test_no_script_depends_on_the_whole_configuration_or_on_the_runtime():
    for script in SCRIPTS.glob("*.py"):
        found = names(script)
        # A bundle carries the whole configuration, and the viewer shows it.
        whole = script.name in ("export_bundle.py", "view_index.py")
        assert ("config/workflow.py" in found) == whole, script.name
        assert not any(name.startswith("runtime/") for name in found), script.name


def digest(folder, text):
    script = folder / f"{abs(hash(text))}.py"
    script.write_text(text)
    return code_digest(script)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import os", '"""A docstring."""\nimport os'),
        ("return 2", '"""Twice the value."""\n    # a comment\n    return 2'),
        ("LIMIT: int = 3", "LIMIT = 3"),
        ("(value: int) -> int", "(value)"),
        ("Side in pixels.", "Side."),
        ("    return 2 * value", "    return (2 * value)"),
    ],
)
def test_changes_without_effect_keep_the_digest(tmp_path, old, new):
    assert digest(tmp_path, CODE.replace(old, new)) == digest(tmp_path, CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2 * value", "3 * value"),
        ("LIMIT: int = 3", "LIMIT: int = 4"),
        ("ge=1", "ge=2"),
        ("size: int", "size: float"),
    ],
)
def test_changes_with_effect_change_the_digest(tmp_path, old, new):
    assert digest(tmp_path, CODE.replace(old, new)) != digest(tmp_path, CODE)

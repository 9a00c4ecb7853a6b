"""Scripts that no other test runs at least load: what they import from the library is there."""

import importlib.util
import sys

import pytest
from helpers.paths import ROOT

SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("benchmarks/**/*.py", "docs/*.py")
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_loads(script, monkeypatch):
    path = ROOT / script
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for it.
    monkeypatch.setitem(sys.modules, spec.name, module)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        # The public implementations that parity is measured against are no packages of this project.
        if "parity" not in script or error.name.partition(".")[0] in ("puzzlecell", "helpers"):
            raise

import subprocess
import sys

import pytest

# Each in a fresh interpreter, since torchvision is imported only once.
IMPORTS = (
    "import puzzlecell.network._timm, torchvision, timm; print(torchvision.__version__, timm.__version__)"
)
OTHER_FAILURE = """
import importlib, sys
real = importlib.import_module
def broken(name, *rest):
    if name == "torchvision":
        raise RuntimeError("something else")
    return real(name, *rest)
importlib.import_module = broken
import puzzlecell.network._timm
"""


def python(code):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_timm_and_torchvision_import():
    done = python(IMPORTS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_other_import_errors_are_not_hidden():
    done = python(OTHER_FAILURE)
    assert done.returncode != 0
    assert "RuntimeError: something else" in done.stderr


@pytest.mark.parametrize("module", ["training", "augmentation", "network"])
def test_settings_import_nothing_heavy(module):
    heavy = "{'torch', 'timm', 'albumentations', 'cv2', 'numpy', 'h5py'}"
    done = python(f"import sys, puzzlecell.config.{module}; print(sorted({heavy} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr

"""Where a run comes from: its settings, the versions of what made it, and whose images it shows."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import yaml

from puzzlecell.config.workflow import Configuration

VERSIONS = ("puzzlecell", "snakemake", "torch", "timm", "numpy", "scikit-image", "opencv-python-headless")

SIMULATED = "simulated by puzzlecell; no licence is needed"
OWN = (
    "given by whoever ran this; no licence is recorded here. Images of the Human Protein Atlas "
    "(www.proteinatlas.org) are licensed CC BY-SA 4.0: name the source when you show them"
)


def settings_texts(settings: Configuration) -> dict[str, str]:
    """The configuration as YAML: `changed`, the settings that are not the default, and `complete`, all of them."""
    return {
        "changed": _yaml(settings.model_dump(mode="json", exclude_defaults=True)),
        "complete": _yaml(settings.model_dump(mode="json")),
    }


def versions() -> dict[str, str]:
    """Versions of Python, puzzlecell and the packages that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}}


def attribution(settings: Configuration) -> dict[str, str]:
    """Whose the images of each data set are, in words."""
    found = {}
    for name, given in settings.datasets.items():
        if given.simulate is not None:
            cells = given.simulate.cells_from
            found[name] = SIMULATED if cells is None else f"composed of the images of cells in {cells}: {OWN}"
        else:
            found[name] = OWN if given.download is None else given.download.attribution
    return found


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=100)

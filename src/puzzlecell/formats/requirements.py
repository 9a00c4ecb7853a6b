"""Packages that some formats need besides those of the workflow. Imports nothing heavy: planning uses it."""

from importlib.util import find_spec

NEEDED = {"ome_zarr": "zarr"}
"""Packages by format."""


def missing_packages(formats: list[str]) -> list[str]:
    """Problems of formats whose package is not installed, with what to do."""
    return [
        f'{name}: the package {NEEDED[name]} is not installed; install it with `pip install "puzzlecell[export]"`, '
        'in a clone of the project: `pip install --editable ".[export]"`'
        for name in formats
        if name in NEEDED and find_spec(NEEDED[name]) is None
    ]

"""Packages that some files need besides those of the workflow. Imports nothing heavy: planning uses it."""

from importlib.util import find_spec

NEEDED = {"ome_zarr": ("zarr", "zarr", "export"), "umap": ("umap", "umap-learn", "umap")}
"""By format: the module, the package that has it, and the extra of this project that installs it."""


def missing_packages(formats: list[str]) -> list[str]:
    """Problems of formats whose package is not installed, with what to do."""
    needed = {name: NEEDED[name] for name in formats if name in NEEDED}
    return [
        f'{name}: the package {package} is not installed; install it with `pip install "puzzlecell[{extra}]"`, '
        f'in a clone of the project: `pip install --editable ".[{extra}]"`'
        for name, (module, package, extra) in needed.items()
        if find_spec(module) is None
    ]

"""Files that segmenters read besides the fields (weights, label images): what is missing, what changed.

Imports nothing heavy, because planning needs this module too.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.runtime.fingerprint import files_digest

PUBLISHED = "https://zenodo.org/record/4665863"
PUBLISHED_NAMES = {"nuclei": "dpn_unet_nuclei_v1.pth", "cell": "dpn_unet_cell_3ch_v1.pth"}


def weights_state(settings: SegmentationSettings) -> str | None:
    """Digest of names, sizes and times of the weights; None where the method reads none."""
    paths = settings.chosen.weight_files()
    return files_digest(paths) if paths else None


def missing_files(
    settings: SegmentationSettings, mask_folders: Sequence[str | os.PathLike] = ()
) -> list[str]:
    """What to do about each file that the chosen method needs and that is not there, one text each.

    mask_folders: folders of the user's own label images, looked at where they are what the cells are taken from.
    """
    problems = []
    if settings.method == "hpa_dpn":
        for kind, path in zip(PUBLISHED_NAMES, settings.chosen.weight_files(), strict=True):
            if not Path(path).is_file():
                problems.append(missing_converted(path, kind))
            elif not checksum_file(path).is_file():
                problems.append(missing_checksum(path))
    elif settings.method == "hpacellseg":
        for kind, path in zip(PUBLISHED_NAMES, settings.chosen.weight_files(), strict=True):
            if not Path(path).is_file():
                problems.append(missing_published(path, kind))
        if shutil.which(settings.hpacellseg.python) is None:
            problems.append(
                f"segmentation.hpacellseg.python: there is no program {settings.hpacellseg.python}; make the "
                "environment of envs/hpacellseg.yaml and give the path of its Python"
            )
    elif settings.method == "cellpose":
        problems += [
            f"segmentation.cellpose.model: there is no file {path}"
            for path in settings.chosen.weight_files()
            if not Path(path).is_file()
        ]
    elif settings.method == "masks":
        problems += [missing_masks(folder) for folder in mask_folders if not Path(folder).is_dir()]
    return problems


def checksum_file(path: str | os.PathLike) -> Path:
    """Where the checksum of converted weights is kept."""
    return Path(f"{path}.sha256")


def missing_converted(path: str | os.PathLike, kind: str) -> str:
    """How to get converted weights of the network for `nuclei` or `cell`."""
    published = PUBLISHED_NAMES[kind]
    return (
        f"there are no weights {path}: fetch {published} from {PUBLISHED} into weights/ and run "
        f"`puzzlecell convert-segmenter weights/{published} {path}`"
    )


def missing_checksum(path: str | os.PathLike) -> str:
    """What to do about converted weights without their checksum."""
    return f"{checksum_file(path)} is missing; it is written with {path}, copy it as well or convert again"


def missing_published(path: str | os.PathLike, kind: str) -> str:
    """How to get published weights of the network for `nuclei` or `cell`."""
    return f"there are no weights {path}: fetch {PUBLISHED_NAMES[kind]} from {PUBLISHED} and put it there"


def missing_masks(folder: str | os.PathLike) -> str:
    """What `masks` expects."""
    return (
        f"there is no folder {folder}; segmentation.method masks reads <ID>_cells.png from it "
        "(segmentation.masks.folder)"
    )

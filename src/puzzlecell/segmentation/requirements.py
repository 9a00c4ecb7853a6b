"""Files that segmenters read besides the fields (weights, label images): checks for missing and changed files.

Imports nothing heavy, because planning uses this module too.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.runtime.bucket import is_folder, is_url, listing
from puzzlecell.runtime.fingerprint import files_digest
from puzzlecell.runtime.messages import first_few

PUBLISHED = "https://zenodo.org/record/4665863"
PUBLISHED_NAMES = {"nuclei": "dpn_unet_nuclei_v1.pth", "cell": "dpn_unet_cell_3ch_v1.pth"}


def weights_state(settings: SegmentationSettings) -> str | None:
    """Return a digest of the weights' names, sizes and modification times; None if the method reads no weights."""
    paths = settings.chosen.weight_files()
    return files_digest(paths) if paths else None


def missing_files(
    settings: SegmentationSettings, mask_folders: Sequence[str | os.PathLike] = ()
) -> list[str]:
    """Return one message per missing file that the selected method needs, saying what to do.

    mask_folders: folders of the user's own label images, checked if the method is `masks`.
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
                f"segmentation.hpacellseg.python: there is no program {settings.hpacellseg.python}; create the "
                "environment of envs/hpacellseg.yaml and give the path of its Python"
            )
    elif settings.method == "masks":
        problems += [missing_masks(folder) for folder in mask_folders if not is_folder(folder)]
    else:
        problems += [
            f"segmentation.{settings.method}: there is no file {path}"
            for path in settings.chosen.weight_files()
            if not Path(path).is_file()
        ]
    return problems


def missing_label_images(folder: str | os.PathLike, field_ids: Sequence[str]) -> list[str]:
    """Return a message if fields have no label image in a folder of the user's own masks.

    Raises OSError or BucketError if the folder cannot be listed.
    """
    present = set(listing(str(folder))) if is_url(folder) else {path.name for path in Path(folder).iterdir()}
    missing = [field_id for field_id in field_ids if f"{field_id}_cells.png" not in present]
    if not missing:
        return []
    return [
        f"{folder}: {len(missing)} of {len(field_ids)} fields have no <ID>_cells.png, such as "
        f"{first_few((f'{field_id}_cells.png' for field_id in missing), 3)}"
    ]


def checksum_file(path: str | os.PathLike) -> Path:
    """Return the path of the checksum of converted weights."""
    return Path(f"{path}.sha256")


def missing_converted(path: str | os.PathLike, kind: str) -> str:
    """Return how to get the converted weights of the network `nuclei` or `cell`."""
    published = PUBLISHED_NAMES[kind]
    return (
        f"there are no weights {path}: download {published} from {PUBLISHED} to weights/ and run "
        f"`puzzlecell convert-segmenter weights/{published} {path}`"
    )


def missing_checksum(path: str | os.PathLike) -> str:
    """Return what to do about converted weights without a checksum."""
    return f"{checksum_file(path)} is missing; it is written with {path}: copy it as well or convert the weights again"


def missing_published(path: str | os.PathLike, kind: str) -> str:
    """Return how to get the published weights of the network `nuclei` or `cell`."""
    return f"there are no weights {path}: download {PUBLISHED_NAMES[kind]} from {PUBLISHED} to this path"


def missing_masks(folder: str | os.PathLike) -> str:
    """Return what the method `masks` expects in a missing folder."""
    return (
        f"there is no folder {folder}; segmentation.method: masks reads <ID>_cells.png from it "
        "(segmentation.masks.folder)"
    )

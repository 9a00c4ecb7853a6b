"""Somebody's own images, and what `puzzlecell predict` prepares for them."""

import cv2
import numpy as np
import tifffile

from puzzlecell.bundle.prediction import prepare_prediction
from puzzlecell.cli.own_images import own_images
from puzzlecell.data.raw_files import CHANNELS


def write_images(folder, ids=("w1", "w2"), size=(192, 192), *, dtype=np.uint8, high=200, dark=()):
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for field_id in ids:
        for channel in CHANNELS:
            top = 1 if channel in dark else high
            cv2.imwrite(
                str(folder / f"{field_id}_{channel}.png"), random.integers(0, top, size).astype(dtype)
            )
    return folder


def prepared(tmp_path, bundle, images=None, *, naming=None, id_form=None, channels=None, **options):
    images, output = images or write_images(tmp_path / "mine"), tmp_path / "out"
    found = own_images(images, output, naming=naming, id_form=id_form, channels=channels)
    return prepare_prediction(found, bundle, output, **options)


def write_tiffs(folder, words, separator="_", um=None):
    """Two fields as TIFFs of other names."""
    folder.mkdir()
    random = np.random.default_rng(0)
    resolution = (
        {} if um is None else {"resolution": (1 / um, 1 / um), "metadata": {"unit": "um"}, "imagej": True}
    )
    for field_id in ("A1", "B2"):
        for word in words:
            image = random.integers(0, 200, (192, 192), np.uint8)
            tifffile.imwrite(folder / f"{field_id}{separator}{word}.tif", image, **resolution)
    return folder


def write_table(folder, sizes, name="images.csv"):
    """A table of images; sizes: texts for the column of pixel sizes, None: no such column."""
    write_images(folder)
    rows = [
        [field_id, *(f"{field_id}_{channel}.png" for channel in CHANNELS), *([size] if sizes else [])]
        for field_id, size in zip(("w1", "w2"), sizes or ("", ""), strict=True)
    ]
    header = ["ID", *CHANNELS, *(["pixel_size_um"] if sizes else [])]
    (folder / name).write_text("\n".join([",".join(row) for row in [header, *rows]]) + "\n")
    return folder

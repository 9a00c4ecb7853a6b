"""A run that predicts a folder of images with a bundle: its configuration, and what there is to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from puzzlecell.bundle.differences import Sampled, described_sizes, differences, relative, sample
from puzzlecell.bundle.images import (
    DATASET,
    ImageFolder,
    dataset_entry,
    find_images,
    shards_for,
)
from puzzlecell.bundle.open import installed_bundle
from puzzlecell.bundle.settings import implied_configuration
from puzzlecell.bundle.written_configuration import Edited, earlier_values, place_configuration
from puzzlecell.config.models import mapping
from puzzlecell.config.workflow import load_configuration
from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem

MODEL = "model"
"""Folder of the bundle in that of the run."""


@dataclass(frozen=True)
class Prediction:
    """A run that is ready to start.

    found: what was found and assumed, in lines; warnings: differences from the training fields.
    """

    configuration: Path
    found: list[str]
    warnings: list[str]


def prepare_prediction(
    images: Path,
    model: Path,
    output: Path,
    *,
    pixel_size_um: float | None = None,
    naming: str | None = None,
    channels: Mapping[str, str | int | None] | None = None,
    segmenter: str | None = None,
    edited: Edited | None = None,
) -> Prediction:
    """Copy the bundle to `output/model`, write `output/config.yaml` and what it refers to.

    pixel_size_um: None takes that of the images, or of the training fields if the images do not say. naming, channels:
    how the files are named and what the channels are called in them. segmenter: in place of the bundle's. edited: what
    to do with a configuration that was changed by hand. Raises UserError for anything that cannot be used.
    """
    folder = find_images(images, naming, channels)
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: {file_problem(output) or 'is a file'}; expected a folder for the results")
    manifest, copied = installed_bundle(model, output / MODEL)
    sampled = sample(
        folder,
        manifest["images"]["stored_size"],
        mapping(manifest["settings"], "ingest").get("max_megapixels"),
    )
    size, assumed = _pixel_size(pixel_size_um, sampled, manifest)
    of_images = pixel_size_um is None and bool(sampled.pixel_sizes_um)
    path = output / "config.yaml"
    earlier = mapping(mapping(earlier_values(path), "datasets"), DATASET).get("shards")
    # As before, so that one more image changes one shard only.
    shards = earlier if isinstance(earlier, int) and earlier > 0 else shards_for(len(folder.ids))
    values = implied_configuration(
        manifest,
        MODEL,
        {DATASET: dataset_entry(folder, None if of_images else size, shards)},
        segmenter=segmenter,
    )
    load_configuration(values, output)
    written = place_configuration(path, values, edited)
    found = [
        f"images         {_fields(folder)} in {relative(folder.folder)}, {described_sizes(sampled)}",
        f"names          {folder.names}",
        f"pixel size     {size:g} um, {assumed}",
        f"model          {_described(manifest)}",
        f"cells          {values['segmentation']['method']}",
        f"configuration  {relative(path)}, {written}",
    ]
    if copied:
        found.append(f"copied         the model, to {relative(output / MODEL)}")
    return Prediction(path, found, differences(sampled, size, manifest["images"]))


def _pixel_size(given: float | None, sampled: Sampled, manifest: Mapping[str, Any]) -> tuple[float, str]:
    """Pixel size in micrometres, and where it comes from, in words."""
    trained = manifest["images"].get("pixel_size_um", [])
    shown = " and ".join(f"{size:g}" for size in trained)
    if given is not None:
        compared = f"; the training fields had {shown} um" if trained and trained != [given] else ""
        return given, f"as given{compared}"
    if sampled.pixel_sizes_um:
        size = float(np.median(sampled.pixel_sizes_um))
        compared = f"; the training fields had {shown} um" if trained and trained != [size] else ""
        return size, f"that of the images{compared}"
    if len(trained) != 1:
        known = (
            f"the training fields had {shown} um" if trained else "that of the training fields is not known"
        )
        raise UserError(
            f"--pixel-size: needed, because {known}; give the size of a pixel of your images in um"
        )
    return trained[0], "assumed: that of the training fields; give --pixel-size if yours is another"


def _fields(images: ImageFolder) -> str:
    return f"{len(images.ids)} field{'s' * (len(images.ids) != 1)}"


def _described(manifest: Mapping[str, Any]) -> str:
    stages = ", ".join(f"{member['model']} {member['stage']}" for member in manifest["members"])
    return (
        f"{manifest['name']}: {len(manifest['classes'])} classes; {stages}, {manifest['folds']} folds each; made with "
        f"puzzlecell {manifest['versions'].get('puzzlecell')}"
    )

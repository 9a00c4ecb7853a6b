"""A run that predicts a folder of images with a bundle: its configuration, and what there is to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puzzlecell.bundle.differences import described_sizes, differences, relative, sample
from puzzlecell.bundle.images import DATASET, OwnImages, described_names, shards_for
from puzzlecell.bundle.open import installed_bundle
from puzzlecell.bundle.pixel_size import pixel_size
from puzzlecell.bundle.settings import implied_configuration
from puzzlecell.bundle.with_subcell import LOCATIONS, calibration_lost, place_locations, with_subcell
from puzzlecell.bundle.written_configuration import Edited, earlier_values, place_configuration
from puzzlecell.config.models import mapping
from puzzlecell.config.workflow import load_configuration
from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.project_run import project_folder

MODEL = "model"
"""Folder of the bundle in that of the run."""
NOT_CALIBRATED = (
    "calibration: that of the model is not applied, because it was fitted without SubCell: the table of cells has no "
    "calibrated probabilities and no calls"
)


@dataclass(frozen=True)
class Prediction:
    """A run that is ready to start.

    found: what was found and assumed, in lines; warnings: differences from the training fields.
    """

    configuration: Path
    found: list[str]
    warnings: list[str]


def prepare_prediction(
    images: OwnImages,
    model: Path,
    output: Path,
    *,
    pixel_size_um: float | None = None,
    segmenter: str | None = None,
    subcell: Path | None = None,
    edited: Edited | None = None,
) -> Prediction:
    """Copy the bundle to `output/model`, and write `output/config.yaml`.

    pixel_size_um: None takes that of the table of images or of the metadata, else that of the training fields.
    segmenter: in place of the bundle's. subcell: weights of SubCell, which becomes a member of the ensemble. edited:
    what to do with a configuration that was changed by hand. Raises UserError for anything that cannot be used.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: {file_problem(output) or 'is a file'}; expected a folder for the results")
    manifest, copied = installed_bundle(model, output / MODEL)
    path = output / "config.yaml"
    earlier = mapping(mapping(earlier_values(path), "datasets"), DATASET).get("shards")
    # As before, so that one more image changes one shard only.
    shards = earlier if isinstance(earlier, int) and earlier > 0 else shards_for(len(images.sources.ids))
    entry: dict[str, Any] = {"role": "test", **images.entry, "shards": shards}
    values = implied_configuration(manifest, MODEL, {DATASET: entry}, segmenter=segmenter)
    notes = []
    if subcell is not None:
        if calibration_lost(values):
            notes.append(NOT_CALIBRATED)
        values = with_subcell(values, subcell)
        place_locations(project_folder() / "config" / LOCATIONS, output)
    sampled = sample(images, load_configuration(values, output).ingest)
    size = pixel_size(pixel_size_um, images, sampled, manifest["images"].get("pixel_size_um", []))
    if size.configured is not None:
        entry["pixel_size_um"] = size.configured
    load_configuration(values, output)
    written = place_configuration(path, values, edited)
    found = [
        f"images         {_fields(images)} in {relative(images.where)}, {described_sizes(sampled)}",
        f"names          {described_names(images)}",
        f"pixel size     {size.shown}",
        f"model          {_described(manifest)}{f'; and SubCell of {relative(subcell)}' if subcell else ''}",
        f"cells          {values['segmentation']['method']}",
        f"configuration  {relative(path)}, {written}",
    ]
    if copied:
        found.append(f"copied         the model, to {relative(output / MODEL)}")
    warnings = [*_left_out(images), *([size.warning] if size.warning else [])]
    of_images = dict.fromkeys(header.note for header in sampled.headers.values() if header.note)
    warnings += [*notes, *(f"images: {note}" for note in list(of_images)[:3])]
    return Prediction(
        path,
        found,
        [*warnings, *differences(sampled, size.of_sampled, images.layout, manifest["images"])],
    )


def _left_out(images: OwnImages) -> list[str]:
    if not images.left_out:
        return []
    return [
        f"names: {len(images.left_out)} images have other names and are left out: {first_few(images.left_out, 3)}"
    ]


def _fields(images: OwnImages) -> str:
    fields = len(images.sources.ids)
    count = f"{fields} field{'s' * (fields != 1)}"
    return f"{count} ({images.incomplete} without all channels)" if images.incomplete else count


def _described(manifest: Mapping[str, Any]) -> str:
    stages = ", ".join(f"{member['model']} {member['stage']}" for member in manifest["members"])
    return (
        f"{manifest['name']}: {len(manifest['classes'])} classes; {stages}, {manifest['folds']} folds each; made with "
        f"puzzlecell {manifest['versions'].get('puzzlecell')}"
    )

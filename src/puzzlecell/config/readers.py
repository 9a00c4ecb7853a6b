"""Settings of networks from elsewhere that read single cells and are not trained here."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from puzzlecell.config.base import NO_EFFECT, Section

READ_STAGE = "cells"
"""The only stage of a model that is not trained here. Its predictions are those of step 2."""


def with_stage(given: Mapping[str, Any], stage: str, step: int) -> dict[str, Any]:
    """Settings of a member or teacher as they are written to a file: with stage and step, even if these are defaults.

    Some files leave out defaults; but only models without stages may omit stage and step, so both are always written.
    """
    model = {"model": given["model"]} if "model" in given else {}
    return {**model, "stage": stage, "step": step, **given}


class SubCellSettings(Section):
    """SubCell: a vision transformer for single cells, trained on the whole Human Protein Atlas by its own group."""

    kind: Literal["subcell"] = Field(description="Kind of the network.")
    weights: str = Field(
        description="File of `puzzlecell convert-subcell`, made of the published encoder and classifiers."
    )
    locations: str = Field(
        "config/subcell_locations.csv",
        description="Path of a CSV `location,class` that says which class each of SubCell's 31 locations belongs to; "
        "a class gets the highest probability of its locations.",
    )
    crop_um: float = Field(
        51.26,
        gt=0,
        le=1000,
        description="Side of the square around each cell that the network sees, in micrometres. The default is 640 "
        "pixels of 0.0800885 micrometres, as SubCell's authors recommend.",
    )
    mask: Literal["none", "others", "outside"] = Field(
        "outside",
        description="Pixels of a crop that are set to black: `none`, those of `others` (other cells), or all `outside` "
        "the cell, as SubCell's authors recommend. It was trained with both `none` and `outside`.",
    )
    scaling: Literal["channel", "all"] = Field(
        "all",
        description="Intensities of a crop are scaled to [0, 1] by the minimum and maximum of `all` channels together, "
        "as in SubCell's training, or of each `channel`.",
    )
    source: Literal["store", "raw"] = Field(
        "raw", description="Cut cells from the raw files at full resolution, or from the stored fields."
    )
    batch_size: int = Field(
        16,
        ge=1,
        description="Number of cells per forward pass, across fields.",
        json_schema_extra=NO_EFFECT,
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="Numerical precision of the network. bf16, mixed precision, is faster on processors with "
        "instructions for it.",
    )

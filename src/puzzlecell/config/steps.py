"""Settings of step 1 (maps read under cells) and step 2 (crops of cells)."""

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator

from puzzlecell.config.base import NO_EFFECT, ClassLimit, Section

Scale = Annotated[float, Field(ge=0.25, le=4)]


class TtaSettings(Section):
    """Test-time augmentation: predictions are averaged over transformed views, with maps transformed back first."""

    flip: bool = Field(False, description="Also predict mirrored views, which doubles the number of views.")
    rotate: bool = Field(
        False,
        description="Also predict views rotated by 90, 180 and 270 degrees, which multiplies the number of views by 4.",
    )

    scales: tuple[Scale, ...] = Field(
        (1.0,),
        description="Scales at which each view is predicted; one of them is 1. A scale s costs s x s times as much. "
        "Sides are rounded to multiples of the network's output stride.",
    )

    @property
    def passes(self) -> float:
        """What all views cost, in passes over an image at its own scale."""
        symmetries = (2 if self.flip else 1) * (4 if self.rotate else 1)
        return symmetries * sum(scale**2 for scale in self.scales)

    @field_validator("scales")
    @classmethod
    def _own_scale(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if 1 not in scales or len(set(scales)) < len(scales):
            raise ValueError(f"the scales are {list(scales)}; they must be different, and one of them 1")
        return scales


class Step1Settings(Section):
    """Step 1: the class activation maps of whole fields, read under each cell."""

    batch_size: int = Field(
        16, ge=1, description="Number of fields per forward pass.", json_schema_extra=NO_EFFECT
    )
    probability_floor: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Classes whose probability in the field is not above this value are not assigned to its cells.",
    )
    quantile: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Quantile of the class activation map taken in each cell, relative to the same quantile over the "
        "whole field.",
    )
    keep_ratio: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="A cell keeps a class only if the cell's probability is above this fraction of the field's "
        "probability.",
    )
    max_classes: ClassLimit = Field(
        "all_but_one",
        description="Number of classes kept per field, those with the highest score in any of its cells. A number, "
        "`all`, or `all_but_one` (as published).",
    )
    average: Literal["maps", "scores"] = Field(
        "maps",
        description="What is averaged over the fold models: `maps` (their maps and logits, before cells are read) or "
        "`scores` (the cell scores of each model).",
    )
    tta: TtaSettings = TtaSettings()


class Step2Settings(Section):
    """Step 2: each cell is cut out and classified on its own."""

    batch_size: int = Field(
        64,
        ge=1,
        description="Number of cells per forward pass, across fields.",
        json_schema_extra=NO_EFFECT,
    )
    source: Literal["store", "raw"] = Field(
        "store", description="Cut cells from the stored fields, or from the raw files at full resolution."
    )
    scale: Literal["fixed", "enlarged"] = Field(
        "fixed",
        description="`fixed`: cells keep the scale at which the network was trained, on a canvas of `crop` pixels. "
        "`enlarged`: each cell is resized to fill the size of a training crop.",
    )
    crop: int | None = Field(
        None,
        ge=32,
        multiple_of=32,
        description="Side in pixels of the canvas of a crop with `scale: fixed`; larger cells are shrunk to fit. "
        "null: half of the network's field size, rounded up to a multiple of 32 (of 28 if the network's output stride "
        "is 14).",
    )
    canvas: Literal["same", "fitted"] = Field(
        "same",
        description="With `scale: fixed`, the canvas of crops: the `same` for all, of `crop` pixels, or `fitted`: "
        "the smallest that holds the cell, in steps of 32 pixels (16 if the network's output stride is 8 or 16, 14 if "
        "it is 14). Fitted canvases cost less, and change the scores a little.",
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="Numerical precision of the networks. bf16, mixed precision, is faster on processors with "
        "instructions for it; on others it can be slower.",
    )
    margin: float = Field(
        0.05,
        ge=0,
        le=2,
        description="Margin added to each side of a cell's bounding box, as a fraction of its longer side.",
    )
    mask: Literal["none", "others", "outside"] = Field(
        "others",
        description="Pixels of a crop that are set to black: `none`, those of `others` (other cells), or all `outside` "
        "the cell.",
    )
    pool: Literal["cell", "canvas"] = Field(
        "cell",
        description="Region of a crop over which the class activation maps are averaged to logits: the `cell`, or the "
        "whole `canvas` as in the network itself.",
    )
    padding: Literal["black", "field"] = Field(
        "black",
        description="What fills the square crop around a cell's bounding box: `black` pixels or the surrounding "
        "`field`.",
    )
    tta: TtaSettings = TtaSettings()


def crop_problem(crop: int | None, output_stride: int) -> str | None:
    """Say why a network of an output stride cannot see a canvas of `crop` pixels; None if it can, or with no `crop`."""
    if crop is None or crop % output_stride == 0:
        return None
    return (
        f"{crop} is not divisible by {output_stride}, the network's output stride; give a multiple of "
        f"{math.lcm(32, output_stride)}, or leave it out"
    )

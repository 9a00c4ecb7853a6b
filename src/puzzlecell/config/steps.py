"""Settings of step 1, maps read under cells, and step 2, crops of cells."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import NO_EFFECT, ClassLimit, Section


class TtaSettings(Section):
    """Views of a field or crop whose predictions are averaged; maps are turned back before that."""

    flip: bool = Field(False, description="Mirrored views as well: twice as many.")
    rotate: bool = Field(
        False, description="Views rotated by 90, 180 and 270 degrees as well: four times as many."
    )


class Step1Settings(Section):
    """Step 1: the class activation maps of a whole field, read under each cell."""

    batch_size: int = Field(16, ge=1, description="Fields in a forward pass.", json_schema_extra=NO_EFFECT)
    probability_floor: float = Field(
        0.01, ge=0, lt=1, description="Classes whose probability in the field is not above it get no cell."
    )
    quantile: float = Field(
        0.99, gt=0, le=1, description="Quantile of the map, over the field and over a cell."
    )
    keep_ratio: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="A cell keeps a class where its share of the field's probability is above it.",
    )
    max_classes: ClassLimit = Field(
        "all_but_one",
        description="Classes that a field may give to its cells: those with the highest score in any cell. A number, "
        "`all`, or `all_but_one` as published.",
    )
    average: Literal["maps", "scores"] = Field(
        "maps",
        description="What is averaged over the folds' models: their maps and logits before they are read, "
        "or each model's scores of the cells.",
    )
    tta: TtaSettings = TtaSettings()


class Step2Settings(Section):
    """Step 2: each cell cut out and classified by itself."""

    batch_size: int = Field(
        64,
        ge=1,
        description="Cells in a forward pass, of however many fields.",
        json_schema_extra=NO_EFFECT,
    )
    source: Literal["store", "raw"] = Field(
        "store", description="Pixels from the stored field, or from the raw one at full resolution."
    )
    scale: Literal["fixed", "enlarged"] = Field(
        "fixed",
        description="fixed: a cell at the size it has in the fields that the network sees, on a canvas of "
        "`crop` pixels. enlarged: each cell resized to the training crop's size, whatever its own size.",
    )
    crop: int | None = Field(
        None,
        ge=32,
        multiple_of=32,
        description="Canvas of a `fixed` crop in pixels; larger cells are shrunk to it. "
        "null: half of the network's field size, rounded up to a multiple of 32.",
    )
    margin: float = Field(
        0.05, ge=0, le=2, description="Added to each side of the box, as a share of its longer side."
    )
    mask: Literal["none", "others", "outside"] = Field(
        "others",
        description="What is made black: nothing, the pixels of other cells, or all outside of the cell.",
    )
    pool: Literal["cell", "canvas"] = Field(
        "cell",
        description="Where the maps of a crop are averaged to its logits: over the cell, or over the "
        "whole canvas as "
        "the network does it.",
    )
    padding: Literal["black", "field"] = Field(
        "black", description="Around the box, up to the square: black, or what the field shows there."
    )
    tta: TtaSettings = TtaSettings()

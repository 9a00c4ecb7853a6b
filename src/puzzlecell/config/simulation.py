"""Settings of the simulated data sets."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from puzzlecell.config.base import Section

Share = Annotated[float, Field(ge=0, le=1)]


class SimulationSettings(Section):
    """What a simulated data set holds and how hard it is.

    Lengths are in pixels of a field 256 pixels wide and grow with `size`: a larger field shows the same cells
    finer.
    """

    fields: int = Field(
        300, ge=1, description="fields of view in the data set; more fields leave the first ones as they were"
    )
    size: int = Field(256, ge=32, le=4096, description="width and height of a field in pixels")
    bit_depth: Literal[8, 16] = Field(16, description="bits of a channel image")
    fields_per_well: int = Field(
        2, ge=1, description="fields that show one antibody, so the same patterns, in one kind of cell"
    )
    cells: tuple[int, int] = Field(
        (6, 14), description="fewest and most cells of a field, cut cells included"
    )
    coverage: float = Field(
        1.15,
        ge=0.2,
        le=2.0,
        description="area of all cells, before neighbours cut them, over that of the field",
    )
    smallest_cell: Share = Field(
        0.3, description="cells with less than this share of a whole cell's area in view are not drawn"
    )
    patterns_per_field: tuple[Share, Share, Share] = Field(
        (0.12, 0.53, 0.35),
        description="shares of fields that show one, two and three patterns, of those that show any",
    )
    not_expressing: tuple[float, float] = Field(
        (0.35, 0.45),
        description="least and greatest share of cells that do not show a given pattern of their field",
    )
    negative_fields: Share = Field(0.055, description="share of wells whose cells are all negative")
    intensity_spread: float = Field(
        0.25,
        ge=0,
        le=1.5,
        description="standard deviation of the log intensity of a channel between the cells of a field",
    )
    unspecific: float = Field(
        0.06,
        ge=0,
        le=1,
        description="protein stain of every cell, negative ones too; patterns peak at about 1",
    )
    noise: float = Field(
        0.03, ge=0, le=0.5, description="standard deviation of the camera noise; patterns peak at about 1"
    )
    background: float = Field(
        0.03, ge=0, le=0.5, description="mean level between the cells; patterns peak at about 1"
    )
    unevenness: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="greatest loss of light and greatest relative change of background over a field",
    )
    blur: float = Field(0.6, ge=0, le=10, description="standard deviation of the optical blur")
    true_masks: bool = Field(
        False, description="also write cells/<ID>_{cells,nuclei}.png, the true label images"
    )

    @model_validator(mode="after")
    def _ranges(self) -> "SimulationSettings":
        problems = []
        fewest, most = self.cells
        if not 1 <= fewest <= most <= 60:
            problems.append(f"cells: found {fewest} to {most}, expected 1 <= fewest <= most <= 60")
        least, greatest = self.not_expressing
        if not 0 <= least <= greatest <= 0.5:
            problems.append(
                f"not_expressing: found {least} to {greatest}, expected 0 <= least <= greatest <= 0.5 "
                "(with more, a cell of a field with two patterns would be negative)"
            )
        if abs(sum(self.patterns_per_field) - 1) > 1e-6:
            problems.append(
                f"patterns_per_field: the shares add up to {sum(self.patterns_per_field):g}, expected 1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

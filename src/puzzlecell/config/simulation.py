"""Settings of simulated data sets."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from puzzlecell.config.base import Section

Share = Annotated[float, Field(ge=0, le=1)]

DRAWN_ONLY = ("coverage", "smallest_cell", "overlap", "class_difference", "unspecific")
"""Settings of how cells are drawn, which say nothing about cells that come from images."""
COMPOSED_ONLY = ("cell_scale", "cell_edge")
"""Settings of cells that come from images."""


class SimulationSettings(Section):
    """Content and difficulty of a simulated data set.

    Lengths are in pixels of a field 256 pixels wide and scale with `size`: a larger field shows the same cells at a
    higher resolution. Intensities are relative to the peak of a localisation pattern, which is about 1. With
    `cells_from`, 1 is 80 % of the full range of the images of cells, and the settings of staining, light and noise add
    to what these images have.
    """

    cells_from: str | None = Field(
        None,
        description="Folder with images of your own single cells: `cells.csv` and `<name>_{red,green,blue,yellow}.png` "
        "(or `.jpg`, `.tif`). Fields are then composed of these cells, rotated, mirrored and up to a tenth larger or "
        "smaller, and nothing is drawn. Cells of one group are either in the training sets or in the holdout and test "
        "sets. null: cells are drawn.",
    )
    cell_scale: float = Field(
        1.0,
        gt=0,
        le=10,
        description="With `cells_from`: pixel size of the images of cells, divided by that of the fields. Below 1, "
        "cells are shrunk.",
    )
    cell_edge: float = Field(
        0.055,
        gt=0,
        lt=1,
        description="With `cells_from`: intensity in red, blue or yellow, as a fraction of the full range of the "
        "image, from which a pixel belongs to the cell.",
    )
    fields: int = Field(
        300,
        ge=1,
        description="Number of fields in the data set; raising it does not change the existing fields.",
    )
    size: int = Field(256, ge=32, le=4096, description="Width and height of a field in pixels.")
    bit_depth: Literal[8, 16] = Field(16, description="Bits per pixel of each channel image.")
    fields_per_well: int = Field(
        2,
        ge=1,
        description="Number of fields per well; fields of one well show the same antibody, and so the same patterns, "
        "in the same kind of cell.",
    )
    cells: tuple[int, int] = Field(
        (6, 14),
        description="Minimum and maximum number of cells per field, including those cut by the border.",
    )
    coverage: float = Field(
        1.15,
        ge=0.2,
        le=2.0,
        description="Total area of all cells, before neighbours cut them, divided by the area of the field.",
    )
    smallest_cell: Share = Field(
        0.3, description="Cells with less than this fraction of a whole cell's area in view are not drawn."
    )
    overlap: float = Field(
        0.0,
        ge=0,
        le=40,
        description="How far the stain of a cell reaches under its neighbours, in pixels. Masks, labels and truth do "
        "not change: what is seen there belongs to the upper cell.",
    )
    patterns_per_field: tuple[Share, Share, Share] = Field(
        (0.12, 0.53, 0.35),
        description="Fractions of fields that show one, two and three localisation patterns, among the fields that "
        "show any; they add up to 1.",
    )
    not_expressing: tuple[float, float] = Field(
        (0.35, 0.45),
        description="Minimum and maximum fraction of a field's cells that do not show a given pattern of the field.",
    )
    negative_fields: Share = Field(
        0.055, description="Fraction of wells that are negative: none of their cells shows a pattern."
    )
    intensity_spread: float = Field(
        0.25,
        ge=0,
        le=1.5,
        description="Standard deviation, between the cells of a field, of the logarithm of a channel's intensity.",
    )
    dim_cells: Share = Field(
        0.0,
        description="Fraction of cells with little stain in red and yellow, as in many real fields; the other cells "
        "stay as they are without.",
    )
    dimmest: float = Field(
        0.15,
        gt=0,
        le=1,
        description="Lowest factor on red and on yellow of a dim cell. The factor of each channel is drawn from here "
        "to 1, evenly on a logarithmic scale.",
    )
    class_difference: float = Field(
        1.0,
        ge=0,
        le=1,
        description="How much the localisation patterns differ: the fraction of a pattern's stain that is drawn as it "
        "is, while the rest is spread out smoothly around it. At 0, classes differ in little more than their place in "
        "the cell.",
    )
    well_spread: float = Field(
        0.0,
        ge=0,
        le=1.5,
        description="Further differences between wells: standard deviation of the logarithm of each channel's staining "
        "and of each channel's background, up to two standard deviations.",
    )
    unspecific: float = Field(
        0.06,
        ge=0,
        le=1,
        description="Intensity of the unspecific protein stain in every cell, including negative ones.",
    )
    noise: float = Field(
        0.03, ge=0, le=0.5, description="Standard deviation of the camera noise; shot noise is added to it."
    )
    background: float = Field(0.03, ge=0, le=0.5, description="Mean intensity of the background.")
    unevenness: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="Uneven illumination: the largest relative loss of light, and the largest relative deviation of "
        "the background, across a field.",
    )
    blur: float = Field(
        0.6,
        ge=0,
        le=10,
        description="Standard deviation of the Gaussian blur of the optics, in pixels of a field 256 pixels wide.",
    )
    true_masks: bool = Field(
        False,
        description="Also write the true label images, `cells/<ID>_cells.png` and `cells/<ID>_nuclei.png`.",
    )

    @model_validator(mode="after")
    def _ranges(self) -> "SimulationSettings":
        other, why = (DRAWN_ONLY, "cells_from") if self.cells_from else (COMPOSED_ONLY, "drawn cells")
        problems = [
            f"{key}: has no effect with {why}; remove it"
            for key in other
            if getattr(self, key) != type(self).model_fields[key].default
        ]
        fewest, most = self.cells
        if not 1 <= fewest <= most <= 60:
            problems.append(f"cells: found {fewest} to {most}, expected 1 <= minimum <= maximum <= 60")
        least, greatest = self.not_expressing
        if not 0 <= least <= greatest <= 0.5:
            problems.append(
                f"not_expressing: found {least} to {greatest}, expected 0 <= minimum <= maximum <= 0.5 "
                "(above 0.5, some cells of a field with two patterns would be negative)"
            )
        if abs(sum(self.patterns_per_field) - 1) > 1e-6:
            problems.append(
                f"patterns_per_field: the shares add up to {sum(self.patterns_per_field):g}, expected 1"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

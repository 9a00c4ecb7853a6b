"""Settings of the labelling, which turns the output of the HPA segmenter's networks into label images."""

from pydantic import Field

from puzzlecell.config.base import Section


class PublishedFaults(Section):
    """Bugs of the published labelling that can be switched on; with all on, its exact result is reproduced."""

    border_never_excluded: bool = Field(
        False,
        description="Borders between touching cells are not excluded from the region in which cells grow from their "
        "nuclei (the published code inverts an int8 array).",
    )
    border_sum_wraps: bool = Field(
        False,
        description="The borders of nuclei and of cells are added in 8 bits, which overflows: 200 + 100 becomes 44.",
    )
    seed_border_inverted: bool = Field(
        False,
        description="Borders are removed from seeds where they are above 1 - border_threshold, not above "
        "border_threshold.",
    )
    cell_numbers_wrap: bool = Field(
        False,
        description="Cell numbers overflow at 8 bits: cell 256 is lost, and cell 257 becomes part of cell 1.",
    )
    enclosed_cells_merge: bool = Field(
        False,
        description="A cell that surrounds another one merges with it, because the line between them is filled as a "
        "hole.",
    )
    sizes_swapped: bool = Field(
        False,
        description="Probabilities are resized to (width, height) instead of (height, width), which distorts fields "
        "that are not square.",
    )


class LabellingSettings(Section):
    """Conversion of the output of the HPA segmenter's networks to label images.

    Areas and radii are given in pixels of 0.08 micrometres and are scaled to the pixel size of the field.
    """

    seed_threshold: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Nucleus probability above which a pixel may belong to a seed of the watershed.",
    )
    seed_minimum: int = Field(
        500, ge=0, description="Minimum area of a seed in pixels; smaller seeds are dropped."
    )
    border_threshold: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Border probability above which a pixel counts as a border between touching objects.",
    )
    nucleus_threshold: float = Field(
        0.4, ge=0, le=1, description="Nucleus probability above which a pixel belongs to a nucleus."
    )
    nucleus_hole: int = Field(
        1000, ge=0, description="Holes in nuclei with a smaller area in pixels are filled."
    )
    nucleus_speck: int = Field(
        8,
        ge=0,
        description="Pieces of the nucleus mask with a smaller area in pixels are dropped before touching nuclei are "
        "split.",
    )
    nucleus_minimum: int = Field(
        2500, ge=0, description="Minimum area of a nucleus in pixels; smaller nuclei are dropped."
    )
    cell_threshold: float = Field(
        0.22,
        ge=0,
        le=1,
        description="Cell probability above which a pixel belongs to a cell; if otsu_factor x Otsu's threshold of the "
        "field is higher, that is used.",
    )
    otsu_factor: float = Field(
        0.5, ge=0, le=1, description="Factor on Otsu's threshold of the field's cell probabilities."
    )
    cell_minimum: int = Field(
        5500, ge=0, description="Minimum area of a cell in pixels; smaller cells are dropped."
    )
    closing_radius: float = Field(
        6, ge=0, description="Radius in pixels of the disc for the morphological closing of cells."
    )
    keep_without_nucleus: bool = Field(
        True,
        description="Keep cells that are left without a nucleus because the part of it inside the cell is smaller than "
        "nucleus_minimum.",
    )
    finish_opening: bool = Field(
        False,
        description="Finally smooth each cell by a morphological opening with a disc of radius 1 pixel.",
    )
    faults: PublishedFaults = PublishedFaults()

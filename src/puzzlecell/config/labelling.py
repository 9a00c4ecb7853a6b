"""Settings of the labelling: from the output of the HPA segmenter's networks to labels."""

from pydantic import Field

from puzzlecell.config.base import Section


class PublishedFaults(Section):
    """What the published labelling does otherwise than it means to; all off, all on gives its own result."""

    border_never_excluded: bool = Field(
        False,
        description="Touching borders are not excluded while cells grow from nuclei (an inverted int8).",
    )
    border_sum_wraps: bool = Field(
        False, description="Borders of nuclei and of cells are added in 8 bits: 200 + 100 counts as 44."
    )
    seed_border_inverted: bool = Field(
        False, description="Seeds lose borders above 1 - border_threshold, not above border_threshold."
    )
    cell_numbers_wrap: bool = Field(
        False, description="Cell numbers are kept in 8 bits: cell 256 is lost, cell 257 joins cell 1."
    )
    enclosed_cells_merge: bool = Field(
        False,
        description="A cell all around another becomes one with it: the line between them is filled as a "
        "hole.",
    )
    sizes_swapped: bool = Field(
        False,
        description="Probabilities are brought to (width, height); squeezes fields that are not square.",
    )


class LabellingSettings(Section):
    """From network output to labels; areas in pixels and radii in pixels of 0.08 micrometres."""

    seed_threshold: float = Field(0.15, ge=0, le=1, description="A seed's probability of nucleus.")
    seed_minimum: int = Field(500, ge=0, description="Smaller seeds are dropped.")
    border_threshold: float = Field(
        0.05, ge=0, le=1, description="Above this probability of border a pixel is border."
    )
    nucleus_threshold: float = Field(0.4, ge=0, le=1, description="A nucleus's probability of nucleus.")
    nucleus_hole: int = Field(1000, ge=0, description="Smaller holes in the nuclei are filled.")
    nucleus_speck: int = Field(8, ge=0, description="Smaller specks are dropped before nuclei are split.")
    nucleus_minimum: int = Field(2500, ge=0, description="Smaller nuclei are dropped.")
    cell_threshold: float = Field(
        0.22, ge=0, le=1, description="A cell's probability is above this and above otsu_factor x Otsu's."
    )
    otsu_factor: float = Field(0.5, ge=0, le=1, description="Factor on Otsu's threshold of the field.")
    cell_minimum: int = Field(5500, ge=0, description="Smaller cells are dropped.")
    closing_radius: float = Field(6, ge=0, description="Gaps of cells are closed with a disc of this radius.")
    keep_without_nucleus: bool = Field(
        True, description="Keep cells whose nucleus was dropped as too small after the cells had grown."
    )
    finish_opening: bool = Field(False, description="At the end erode each cell and dilate it again, once.")
    faults: PublishedFaults = PublishedFaults()

"""Settings of the segmentation and of the quality columns of the cell table."""

from typing import Literal

from pydantic import Field, model_validator

from puzzlecell.config.base import Section


class ClassicalSettings(Section):
    """Nuclei from blue, cells grown from them over red and yellow; lengths in micrometres."""

    pixel_um: float = Field(
        0.32,
        gt=0,
        description="Fields with smaller pixels are segmented at this pixel size, coarser ones as they are.",
    )
    background_um: float = Field(
        40.0,
        gt=0,
        description="Width of the window of the background estimate; well above the diameter of a nucleus.",
    )
    nucleus_smoothing_um: float = Field(
        0.5, ge=0, description="Sigma of the Gaussian over blue before the threshold."
    )
    nucleus_contrast: float = Field(
        6.0,
        ge=0,
        description="A nucleus is this many noise deviations above the background at least; keeps empty "
        "fields empty.",
    )
    nucleus_minimum_um2: float = Field(20.0, ge=0, description="Smaller nuclei are dropped.")
    nucleus_rim: float = Field(
        0.4,
        gt=0,
        lt=1,
        description="The edge of a nucleus is where blue falls to this fraction of the nucleus's own "
        "brightness.",
    )
    neck: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Two bulges become two nuclei where the neck between them is narrower than this "
        "fraction of the narrower bulge; 1 splits at any neck, small values never.",
    )
    nucleus_closing_um: float = Field(
        1.0, ge=0, description="Inlets of a nucleus narrower than twice this are filled; 0 leaves them."
    )
    cell_smoothing_um: float = Field(
        0.8, ge=0, description="Sigma of the Gaussian over red and yellow before the cells are grown."
    )
    cell_threshold: float = Field(
        1.0,
        gt=0,
        description="Factor on the automatic threshold between background and cytoplasm; below 1 gives "
        "larger cells.",
    )
    cell_reach_um: float = Field(
        40.0, gt=0, description="No pixel of a cell is farther than this from the cell's nucleus."
    )
    ring_um: float = Field(
        1.5,
        ge=0,
        description="A cell reaches at least this far around its nucleus, whatever red and yellow show.",
    )
    border_smoothing_um: float = Field(
        1.5, ge=0, description="Parts of a cell narrower than twice this are cut off; 0 keeps every tendril."
    )
    signal_weight: float = Field(
        4.0,
        ge=0,
        description="Where cells meet, the border is where the ways from both nuclei cost the same; a "
        "micrometre costs exp(-signal_weight x brightness), brightness in 0-1. 0 gives borders halfway "
        "between the nuclei.",
    )
    gap_um: float = Field(2.5, gt=0, description="Dark gaps between cells are up to twice this wide.")
    gap_weight: float = Field(
        40.0,
        ge=0,
        description="What it costs to cross a dark gap, times how much darker than its banks it is.",
    )
    outside_gap: float = Field(
        0.1,
        gt=0,
        le=1,
        description="A part of a cell at the field's border that a dark gap cuts off from the nucleus is of a cell "
        "whose nucleus lies outside, and is left out; so much darker than its banks is the gap, brightness in 0-1. "
        "1 leaves nothing out.",
    )
    outside_minimum_um2: float = Field(200.0, ge=0, description="Smaller parts of that kind stay.")


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


class HpaDpnSettings(Section):
    """The official DPN-92 U-Nets of the Human Protein Atlas; `puzzlecell convert-segmenter` makes the weights."""

    nuclei_weights: str = Field(
        "weights/hpa_dpn_nuclei.safetensors", description="Converted weights of the network for nuclei."
    )
    cell_weights: str = Field(
        "weights/hpa_dpn_cell.safetensors", description="Converted weights of the network for cells."
    )
    pixel_um: float = Field(
        0.32,
        gt=0,
        description="Pixel size in micrometres that the networks were trained on; fields are brought to it.",
    )
    batch: int = Field(4, ge=1, description="Fields that go through the networks at once.")
    mixed_precision: bool | None = Field(
        None, description="Compute in 16 bits where it does no harm; null: on CUDA devices."
    )
    label_at: Literal["network", "field"] = Field(
        "field", description="Label at the networks' pixel size (faster) or at the field's."
    )


class HpaCellSegSettings(Section):
    """The published package hpacellseg, run in an environment of its own."""

    python: str = Field(
        "python",
        description="Python of the environment in envs/hpacellseg.yaml, where hpacellseg is installed.",
    )
    nuclei_weights: str = Field(
        "weights/dpn_unet_nuclei_v1.pth", description="Published weights of the network for nuclei."
    )
    cell_weights: str = Field(
        "weights/dpn_unet_cell_3ch_v1.pth", description="Published weights of the network for cells."
    )
    padding: bool = Field(True, description="Let the package pad fields by reflection.")
    pixel_um: float = Field(
        0.32,
        gt=0,
        description="Pixel size in micrometres that the networks were trained on; fields are brought to it.",
    )
    label_with: Literal["package", "puzzlecell"] = Field(
        "package",
        description="Labels by the package's own function, for fields of 0.08 micrometres a pixel, or by ours at "
        "any size.",
    )


class CellposeSettings(Section):
    """Cellpose, an optional extra: `pip install puzzlecell[cellpose]`."""

    model: str = Field("cpsam", description="Name of a Cellpose model, or path of its weights.")
    cell_diameter_um: float = Field(40.0, gt=0, description="Diameter of a cell.")
    nucleus_diameter_um: float = Field(18.0, gt=0, description="Diameter of a nucleus.")
    flow_threshold: float = Field(0.4, ge=0, description="Largest error of a mask's flow; 0 keeps all masks.")
    cellprob_threshold: float = Field(0.0, description="Lower values give more and larger masks.")


class MasksSettings(Section):
    """Label images of the user's own: `<ID>_cells.png` and, if there are, `<ID>_nuclei.png`."""

    folder: str = Field("masks", description="Folder of the label images, inside the data set's folder.")


class QualitySettings(Section):
    """Thresholds of `border_quality` and `outlier_quality` (rules of CroDoc, HPA 2021, fourth place)."""

    border_full: float = Field(
        0.3, ge=0, le=1, description="Above this ratio a nucleus cut by the field's border counts in full."
    )
    border_none: float = Field(
        0.01, ge=0, le=1, description="Up to this ratio a nucleus cut by the border has `border_floor`."
    )
    border_floor: float = Field(0.001, ge=0, le=1, description="Quality of a nucleus at most half inside.")
    no_nucleus: float = Field(
        0.01, ge=0, le=1, description="Border quality of a cell without blue in its nucleus."
    )
    red_fraction: float = Field(
        0.077,
        ge=0,
        description="A cell whose sum of red is below this fraction of the field's mean is an outlier.",
    )
    blue_yellow_fraction: float = Field(
        0.05,
        ge=0,
        description="A cell whose sum of blue x sum of yellow is below this fraction of the mean is an "
        "outlier.",
    )
    outlier: float = Field(0.001, ge=0, le=1, description="Outlier quality of such a cell.")

    @model_validator(mode="after")
    def _ordered(self) -> "QualitySettings":
        if self.border_none >= self.border_full:
            raise ValueError(
                f"border_none ({self.border_none}) must be below border_full ({self.border_full})"
            )
        return self


class SegmentationSettings(Section):
    """How fields become label images of cells and nuclei."""

    method: Literal["classical", "hpa_dpn", "hpacellseg", "cellpose", "masks"] = Field(
        "classical", description="Which segmenter finds the cells."
    )
    source: Literal["store", "raw"] = Field(
        "store", description="Segment the fields of the store, or the raw files at their full size."
    )
    size: int | None = Field(
        None, ge=16, description="Sides of the stored label images in pixels; null takes those of the store."
    )
    classical: ClassicalSettings = ClassicalSettings()
    hpa_dpn: HpaDpnSettings = HpaDpnSettings()
    hpacellseg: HpaCellSegSettings = HpaCellSegSettings()
    cellpose: CellposeSettings = CellposeSettings()
    masks: MasksSettings = MasksSettings()
    labelling: LabellingSettings = Field(
        LabellingSettings(), description="Of hpa_dpn and hpacellseg: from network output to labels."
    )
    quality: QualitySettings = QualitySettings()

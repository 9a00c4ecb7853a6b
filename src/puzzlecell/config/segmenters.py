"""Settings of each segmenter, and what the workflow needs to know for planning."""

import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from puzzlecell.config.base import NO_EFFECT, Section


class SegmenterSection(Section):
    """Settings of one segmenter. Class variables describe it to the workflow."""

    module: ClassVar[str]
    """Module of `puzzlecell.segmentation` with the function `make_segmenter`."""
    also_reads: ClassVar[tuple[str, ...]] = ()
    """Other sections of `segmentation` that the segmenter reads."""
    uses_gpu: ClassVar[bool] = False
    """Whether the segmenter uses a GPU if there is one."""
    threads: ClassVar[int] = 1
    """Threads per job, if available. For segmenters without networks, processing several shards at once gains more."""

    @classmethod
    def module_name(cls) -> str:
        """Full name of the segmenter's module."""
        return f"puzzlecell.segmentation.{cls.module}"

    def weight_files(self) -> list[str]:
        """Paths of the weights that the segmenter reads."""
        return []


class ClassicalSettings(SegmenterSection):
    """Nuclei from blue, cells grown from the nuclei over red and yellow; all lengths in micrometres."""

    module = "classical"

    pixel_um: float = Field(
        0.32,
        gt=0,
        description="Pixel size in micrometres to which finer fields are downsampled for segmentation; coarser fields "
        "are segmented as they are.",
    )
    background_um: float = Field(
        40.0,
        gt=0,
        description="Window width in micrometres of the background estimate of blue; it should be well above the "
        "diameter of a nucleus.",
    )
    nucleus_smoothing_um: float = Field(
        0.5,
        ge=0,
        description="Standard deviation in micrometres of the Gaussian that smooths blue before thresholding.",
    )
    nucleus_contrast: float = Field(
        6.0,
        ge=0,
        description="Minimum brightness of a nucleus above the background, in standard deviations of the noise; keeps "
        "empty fields empty.",
    )
    nucleus_minimum_um2: float = Field(
        20.0, ge=0, description="Minimum area of a nucleus in square micrometres; smaller nuclei are dropped."
    )
    nucleus_rim: float = Field(
        0.4,
        gt=0,
        lt=1,
        description="The edge of a nucleus lies where blue falls to this fraction of the nucleus's own median "
        "brightness above the background.",
    )
    neck: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Touching nuclei are split where the neck between two bulges is narrower than this fraction of the "
        "narrower bulge; 1 splits at every neck, small values never split.",
    )
    nucleus_closing_um: float = Field(
        1.0,
        ge=0,
        description="Inlets in the outline of a nucleus narrower than twice this many micrometres are filled; 0: none.",
    )
    join_neck: float = Field(
        0.65,
        gt=0,
        le=1,
        description="Nuclei that were split at a neck of at least this fraction of the narrower bulge are joined again "
        "where blue and the cytoplasm show one cell; `neck` or more: none are joined.",
    )
    join_seam: float = Field(
        0.8,
        ge=0,
        description="Split nuclei are joined only if blue between them is at least this fraction of the median of the "
        "darker one.",
    )
    join_gap: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Split nuclei are joined only if the cytoplasm that continues the line between them is, on "
        "average, at most this fraction darker than on either side of the line.",
    )
    cell_smoothing_um: float = Field(
        0.5,
        ge=0,
        description="Standard deviation in micrometres of the Gaussian that smooths red and yellow before cells are "
        "grown.",
    )
    cell_threshold: float = Field(
        0.58,
        gt=0,
        description="Factor on the automatic (Otsu) threshold between background and cytoplasm; lower values give "
        "larger cells.",
    )
    own_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Where Otsu's threshold of a cell's surroundings is below that of the field, the cell's threshold "
        "is the geometric mean of both, with this weight for the surroundings. 0: one threshold for all cells of a "
        "field.",
    )
    cell_reach_um: float = Field(
        40.0, gt=0, description="Largest distance in micrometres of a cell's pixels from the nearest nucleus."
    )
    ring_um: float = Field(
        1.5,
        ge=0,
        description="Every cell extends at least this many micrometres around its nucleus, whatever red and yellow "
        "show.",
    )
    border_smoothing_um: float = Field(
        1.5,
        ge=0,
        description="Inlets in the outline of a cell narrower than twice this many micrometres are filled, then parts "
        "narrower than that are cut off; 0 keeps all inlets and thin protrusions.",
    )
    signal_weight: float = Field(
        4.0,
        ge=0,
        description="Each pixel belongs to the nucleus with the cheapest path to it; a micrometre of the path costs "
        "exp(-signal_weight x brightness), with the brightness of red and yellow in 0 to 1. 0: borders lie halfway "
        "between nuclei.",
    )
    gap_um: float = Field(
        2.5,
        gt=0,
        description="Half of the largest width in micrometres at which a dark line between cells counts as a gap.",
    )
    gap_weight: float = Field(
        40.0,
        ge=0,
        description="Extra cost of paths across dark gaps between cells: the cost is multiplied by "
        "1 + gap_weight x depth, where the depth, 0 to 1, is how much darker the gap is than its surroundings.",
    )
    outside_gap: float = Field(
        0.1,
        gt=0,
        le=1,
        description="A part of a cell that touches the field's border, and that a dark gap separates from the nucleus, "
        "belongs to a neighbour whose nucleus is outside the field and is removed. This is the minimum mean depth, 0 "
        "to 1, of such a gap: how much darker it is than its surroundings. 1: nothing is removed.",
    )
    outside_minimum_um2: float = Field(
        200.0,
        ge=0,
        description="Minimum area in square micrometres of a part that is removed because of `outside_gap`; smaller "
        "parts are kept.",
    )


class HpaDpnSettings(SegmenterSection):
    """The official DPN-92 U-Nets of the Human Protein Atlas, with weights from `puzzlecell convert-segmenter`."""

    module = "hpa_dpn"
    also_reads = ("labelling",)
    uses_gpu = True
    threads = 4

    nuclei_weights: str = Field(
        "weights/hpa_dpn_nuclei.safetensors",
        description="Path of the converted weights of the nucleus network.",
    )
    cell_weights: str = Field(
        "weights/hpa_dpn_cell.safetensors", description="Path of the converted weights of the cell network."
    )
    pixel_um: float = Field(
        0.32,
        gt=0,
        description="Pixel size in micrometres on which the networks were trained; fields are resampled to it.",
    )
    batch: int = Field(4, ge=1, description="Number of fields per forward pass.", json_schema_extra=NO_EFFECT)
    mixed_precision: bool | None = Field(
        None, description="Compute with mixed (16-bit) precision. null: only on CUDA devices."
    )
    label_at: Literal["network", "field"] = Field(
        "field",
        description="Pixel size at which cells are labelled: that of the `network`, which is faster, or that of the "
        "`field`.",
    )

    def weight_files(self) -> list[str]:
        """Weights of the networks for nuclei and for cells."""
        return [self.nuclei_weights, self.cell_weights]


class HpaCellSegSettings(SegmenterSection):
    """The published package hpacellseg, run in a separate environment."""

    module = "hpacellseg"
    also_reads = ("labelling",)
    uses_gpu = True
    threads = 4

    python: str = Field(
        "python",
        description="Python executable of the environment in which hpacellseg is installed (envs/hpacellseg.yaml).",
    )
    nuclei_weights: str = Field(
        "weights/dpn_unet_nuclei_v1.pth", description="Path of the published weights of the nucleus network."
    )
    cell_weights: str = Field(
        "weights/dpn_unet_cell_3ch_v1.pth", description="Path of the published weights of the cell network."
    )
    padding: bool = Field(True, description="Let the package pad fields by reflection.")
    pixel_um: float = Field(
        0.32,
        gt=0,
        description="Pixel size in micrometres on which the networks were trained; fields are resampled to it.",
    )
    label_with: Literal["package", "puzzlecell"] = Field(
        "package",
        description="Function that labels cells: that of the `package`, which needs fields of 0.08 micrometres per "
        "pixel, or that of `puzzlecell`, which takes any pixel size.",
    )

    def weight_files(self) -> list[str]:
        """Weights of the networks for nuclei and for cells."""
        return [self.nuclei_weights, self.cell_weights]


class CellposeSettings(SegmenterSection):
    """Cellpose, an optional dependency: `pip install "puzzlecell[cellpose]"`."""

    module = "cellpose"
    uses_gpu = True
    threads = 4

    model: str = Field("cpsam", description="Name of a Cellpose model, or path of its weights.")
    cell_diameter_um: float = Field(40.0, gt=0, description="Typical diameter of a cell in micrometres.")
    nucleus_diameter_um: float = Field(
        18.0, gt=0, description="Typical diameter of a nucleus in micrometres."
    )
    flow_threshold: float = Field(
        0.4, ge=0, description="Largest flow error at which Cellpose keeps a mask; 0 keeps all masks."
    )
    cellprob_threshold: float = Field(
        0.0, description="Cellpose's cell probability threshold; lower values give more and larger masks."
    )

    def weight_files(self) -> list[str]:
        """The path of the model, unless it is a name known to Cellpose."""
        return [self.model] if os.sep in self.model or Path(self.model).is_file() else []


class MasksSettings(SegmenterSection):
    """The user's own label images: `<ID>_cells.png` and optionally `<ID>_nuclei.png`."""

    module = "user_masks"
    also_reads = ("classical",)

    folder: str = Field("masks", description="Folder of the label images inside the folder of the data set.")

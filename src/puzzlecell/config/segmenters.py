"""Settings of each segmenter, and what planning needs to know of it."""

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
    """Other sections of `segmentation` that it reads."""
    uses_gpu: ClassVar[bool] = False
    """Whether it computes on a GPU if there is one."""
    threads: ClassVar[int] = 1
    """Threads of a job, if the machine has them. Without networks, several shards at once gain more."""

    @classmethod
    def module_name(cls) -> str:
        """Full name of its module."""
        return f"puzzlecell.segmentation.{cls.module}"

    def weight_files(self) -> list[str]:
        """Paths of the weights that it reads."""
        return []


class ClassicalSettings(SegmenterSection):
    """Nuclei from blue, cells grown from them over red and yellow; lengths in micrometres."""

    module = "classical"

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


class HpaDpnSettings(SegmenterSection):
    """The official DPN-92 U-Nets of the Human Protein Atlas; `puzzlecell convert-segmenter` makes the weights."""

    module = "hpa_dpn"
    also_reads = ("labelling",)
    uses_gpu = True
    threads = 4

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
    batch: int = Field(
        4, ge=1, description="Fields that go through the networks at once.", json_schema_extra=NO_EFFECT
    )
    mixed_precision: bool | None = Field(
        None, description="Compute in 16 bits where it does no harm; null: on CUDA devices."
    )
    label_at: Literal["network", "field"] = Field(
        "field", description="Label at the networks' pixel size (faster) or at the field's."
    )

    def weight_files(self) -> list[str]:
        """Weights of the networks for nuclei and for cells."""
        return [self.nuclei_weights, self.cell_weights]


class HpaCellSegSettings(SegmenterSection):
    """The published package hpacellseg, run in an environment of its own."""

    module = "hpacellseg"
    also_reads = ("labelling",)
    uses_gpu = True
    threads = 4

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

    def weight_files(self) -> list[str]:
        """Weights of the networks for nuclei and for cells."""
        return [self.nuclei_weights, self.cell_weights]


class CellposeSettings(SegmenterSection):
    """Cellpose, an optional extra: `pip install puzzlecell[cellpose]`."""

    module = "cellpose"
    uses_gpu = True
    threads = 4

    model: str = Field("cpsam", description="Name of a Cellpose model, or path of its weights.")
    cell_diameter_um: float = Field(40.0, gt=0, description="Diameter of a cell.")
    nucleus_diameter_um: float = Field(18.0, gt=0, description="Diameter of a nucleus.")
    flow_threshold: float = Field(0.4, ge=0, description="Largest error of a mask's flow; 0 keeps all masks.")
    cellprob_threshold: float = Field(0.0, description="Lower values give more and larger masks.")

    def weight_files(self) -> list[str]:
        """The model, unless Cellpose knows it by name."""
        return [self.model] if os.sep in self.model or Path(self.model).is_file() else []


class MasksSettings(SegmenterSection):
    """Label images of the user's own: `<ID>_cells.png` and, if there are, `<ID>_nuclei.png`."""

    module = "user_masks"
    also_reads = ("classical",)

    folder: str = Field("masks", description="Folder of the label images, inside the data set's folder.")

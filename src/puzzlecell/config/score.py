"""Settings of the score."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section


class ScoreSettings(Section):
    """The score: mean over classes of the average precision of detected cells."""

    iou_threshold: float = Field(0.6, gt=0, le=1, description="A detection this like a true cell may count.")
    overlap: Literal["mask", "box"] = Field("mask", description="Overlap of masks, or of their boxes.")
    detections: Literal["all", "present"] = Field(
        "all", description="Detections of a class absent from the field's truth are false, or dropped."
    )
    missing: Literal["zero", "nan"] = Field(
        "zero", description="A class without truth counts as 0 in the mean, or is left out of it."
    )
    bootstrap: int = Field(200, ge=0, description="Draws of fields for the interval; 0: none.")
    interval: float = Field(0.95, gt=0, lt=1, description="Share of the draws inside the interval.")
    seed: int = Field(0, ge=0, description="Seed of the draws.")
    missing_iou: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="A true cell that no detection overlaps by more counts as not found at all.",
    )

"""Settings of the score."""

from typing import Literal

from pydantic import Field

from puzzlecell.config.base import Section


class ScoreSettings(Section):
    """The score: mean over classes of the average precision of detected cells."""

    iou_threshold: float = Field(0.6, gt=0, le=1, description="Minimum IoU of a true positive.")
    overlap: Literal["mask", "box"] = Field(
        "mask", description="Compute the IoU from masks or from their bounding boxes."
    )
    detections: Literal["all", "present"] = Field(
        "all",
        description="Detections of a class that the ground truth of the field does not contain: `all` counts them as "
        "false positives, `present` ignores them.",
    )
    missing: Literal["zero", "nan"] = Field(
        "zero",
        description="Classes without ground truth: `zero` counts them as 0 in the mean, `nan` leaves them out of it.",
    )
    bootstrap: int = Field(
        200,
        ge=0,
        description="Number of bootstrap samples of fields for the confidence interval; 0: no interval.",
    )
    interval: float = Field(0.95, gt=0, lt=1, description="Coverage of the bootstrap confidence interval.")
    seed: int = Field(0, ge=0, description="Random seed of the bootstrap.")
    missing_iou: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="In the breakdown of misses, a true cell counts as not segmented if no detection overlaps it with "
        "an IoU above this value.",
    )

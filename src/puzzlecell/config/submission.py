"""Settings of the submission file, and of merging finished submissions."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from puzzlecell.config.base import Section


class SubmissionSettings(Section):
    """The submission file, in the format of the HPA 2021 challenge."""

    minimum_confidence: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Minimum confidence of a detection; lower ones are left out. 0: every class of every cell is "
        "written.",
    )
    digits: int = Field(6, ge=1, le=9, description="Number of decimal places of confidences.")


class MergeSettings(Section):
    """Merging of finished submissions into one."""

    method: Literal["nms", "fusion", "vote"] = Field(
        "fusion",
        description="`nms` keeps the most confident of overlapping detections, `fusion` fuses their masks and averages "
        "their confidences, `vote` fuses masks and keeps classes with more than half of the votes.",
    )
    weights: tuple[float, ...] | None = Field(
        None, description="One weight per submission. null: equal weights."
    )
    iou: float = Field(0.5, gt=0, le=1, description="IoU from which two masks count as the same cell.")
    yes: float = Field(
        0.5, ge=0, le=1, description="Minimum confidence at which a submission votes for a class (`vote`)."
    )
    smooth: bool = Field(
        False,
        description="Erode each fused mask by one pixel and dilate it by one again; not with `nms`, which fuses none.",
    )

    @model_validator(mode="after")
    def _check(self) -> "MergeSettings":
        if self.smooth and self.method == "nms":
            raise ValueError(
                "only fused masks are smoothed, and nms keeps masks as they are; take fusion or vote"
            )
        return self

    @field_validator("weights")
    @classmethod
    def _above_zero(cls, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weights is not None and not all(weight > 0 for weight in weights):
            raise ValueError(f"weights must be above 0, found {list(weights)}")
        return weights

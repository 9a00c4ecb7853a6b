"""Settings of the submission file, and of merging finished ones."""

from typing import Literal

from pydantic import Field, field_validator

from puzzlecell.config.base import Section


class SubmissionSettings(Section):
    """The submission file."""

    minimum_confidence: float = Field(
        0.0, ge=0, le=1, description="Triplets below it are left out; 0 writes every class of every cell."
    )
    digits: int = Field(6, ge=1, le=9, description="Decimal places of a confidence.")


class MergeSettings(Section):
    """Finished submissions merged into one."""

    method: Literal["nms", "fusion", "vote"] = Field(
        "fusion",
        description="Of overlapping detections keep the most confident; fuse masks and average confidences; "
        "or keep what more than half say.",
    )
    weights: tuple[float, ...] | None = Field(None, description="A weight for each submission; null: equal.")
    iou: float = Field(0.5, gt=0, le=1, description="Masks that overlap this much are the same cell.")
    yes: float = Field(0.5, ge=0, le=1, description="Confidence from which a submission votes for a class.")

    @field_validator("weights")
    @classmethod
    def _above_zero(cls, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weights is not None and not all(weight > 0 for weight in weights):
            raise ValueError(f"weights must be above 0, found {list(weights)}")
        return weights

"""Settings of the variability of cells within fields and groups of fields."""

from pydantic import Field, field_validator

from puzzlecell.config.base import Section
from puzzlecell.config.fields import Threshold, checked_thresholds


class VariabilitySettings(Section):
    """How much the cells of a field, and of all fields of an antibody, differ in what they show.

    It is computed on request, by the target `variability`.
    """

    group: str | None = Field(
        None,
        description="Column of the metadata of the fields whose values are groups of fields. null: `antibody` if the "
        "fields have it, else what `folds.group` finds in their IDs, else single fields alone.",
    )
    thresholds: Threshold | tuple[Threshold, ...] = Field(
        0.5,
        description="Lowest probability at which a cell counts as showing a class: one for all classes, or one per "
        "class. Calibrated probabilities are used where the table of cells has them.",
    )
    least_quality: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Cells whose border_quality x outlier_quality is below this value are left out.",
    )
    least_known: int = Field(
        20,
        ge=2,
        description="Least number of cells with known classes, in two or more fields, on which an error rate is "
        "measured; a class with fewer is not tested.",
    )
    bootstrap: int = Field(200, ge=1, description="Number of bootstrap samples of the cells of a group.")
    interval: float = Field(0.95, gt=0, lt=1, description="Coverage of the bootstrap confidence intervals.")
    false_discovery: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="False discovery rate: expected fraction of errors among the fields (or groups) and classes that "
        "are said to vary.",
    )
    seed: int = Field(0, ge=0, description="Random seed of the bootstrap.")

    @field_validator("thresholds", mode="before")
    @classmethod
    def _usable(cls, thresholds: object) -> object:
        return checked_thresholds(thresholds)

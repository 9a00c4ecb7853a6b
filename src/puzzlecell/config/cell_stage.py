"""Settings of stages of the kind `cells` (pupils): who teaches them, and how their targets are made."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from puzzlecell.config.base import Section
from puzzlecell.config.readers import READ_STAGE, with_stage

Share = Annotated[float, Field(ge=0, le=1)]
ROUND = "-round"
"""Between the name of a stage with several rounds and the number of a round, in the names of the earlier rounds."""


class Teacher(Section):
    """A stage and a step whose out-of-fold predictions for cells become targets."""

    model: str | None = Field(None, description="Name of a model in `models`. null: the model of the stage.")
    stage: str = Field(
        READ_STAGE, description="Name of a stage of that model; not needed for a model without `stages`."
    )
    step: Literal[1, 2] = Field(
        2,
        description="Step whose probabilities are used, as in `ensemble.members`; not needed for a model without "
        "`stages`.",
    )
    weight: float = Field(
        1.0, gt=0, le=1e6, description="Relative weight of the teacher; weights need not sum to 1."
    )

    @model_serializer(mode="wrap")
    def _complete(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return with_stage(handler(self), self.stage, self.step)


class TargetSettings(Section):
    """How the predictions of the teachers and the labels of the field become the soft targets of a cell.

    Classes that the field lacks are 0. With the label Negative, a cell's Negative is 1 - its highest other class.
    """

    combine: Literal["mean", "product"] = Field(
        "product", description="How teachers are combined, as in `ensemble.combine`."
    )
    divide_by_largest: bool = Field(
        True,
        description="Divide the targets of each cell by its largest one, since every cell shows something.",
    )
    ignore: tuple[Share, Share] | None = Field(
        None,
        description="Targets strictly between these two values do not count in the loss. null: all count.",
    )
    least_quality: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Cells whose border_quality x outlier_quality is below this value are left out.",
    )
    least_confidence: float = Field(
        0.6,
        ge=0,
        le=1,
        description="In data sets without labels, cells whose largest prediction is below this value are left out.",
    )

    @model_validator(mode="after")
    def _check(self) -> "TargetSettings":
        if self.ignore is not None and not self.ignore[0] < self.ignore[1]:
            raise ValueError(f"ignore: found {list(self.ignore)}, expected two values, the lower one first")
        return self

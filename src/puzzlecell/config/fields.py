"""Settings of the answer per field."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator

from puzzlecell.config.base import Section

Threshold = Annotated[float, Field(ge=0, le=1)]
OUT_OF_FOLD = ("oof", "oof_per_class")


class CellVoteSettings(Section):
    """What the cells of a field say about the field."""

    combine: Literal["top_mean", "max", "mean", "noisy_or"] = Field(
        "top_mean",
        description="Probability of a class from those of the cells: `top_mean` is the mean of the `top` highest, "
        "`max` the highest, `mean` the mean of all, `noisy_or` 1 - the product of (1 - p), which grows with the number "
        "of cells. The negative class always takes the mean of all cells.",
    )
    top: int = Field(
        3, ge=1, le=10_000, description="Number of cells that `top_mean` averages; all, if a field has fewer."
    )
    thresholds: Threshold | tuple[Threshold, ...] = Field(
        0.3,
        description="Lowest probability at which a class is called: one for all classes, or one per class.",
    )

    @field_validator("thresholds", mode="before")
    @classmethod
    def _usable(cls, thresholds: object) -> object:
        return checked_thresholds(thresholds)


class FieldSettings(Section):
    """The answer per field: the classes that the network sees in the whole field, and those that its cells show."""

    source: Literal["network", "cells", "both"] = Field(
        "network",
        description="What decides the column `called` and the file in the format of HPA 2018: the network's "
        "probability of the whole field, that of its cells, or the mean of both against the mean of their thresholds.",
    )
    thresholds: Threshold | tuple[Threshold, ...] | str = Field(
        0.3,
        description="Lowest probability of the network at which a class is called: a number, one number per class, "
        "`oof` or `oof_per_class` (one for all classes, or one per class, with the best F1 on out-of-fold "
        "predictions), or the path of a CSV `class,threshold`.",
    )
    fill: str | None = Field(
        None, description="Class that is called for a field without any other, by name. null: no class."
    )
    cells: CellVoteSettings = CellVoteSettings()

    @field_validator("thresholds", mode="before")
    @classmethod
    def _usable(cls, thresholds: object) -> object:
        if not isinstance(thresholds, str):
            return checked_thresholds(thresholds, ", oof, oof_per_class, or the path of a CSV file")
        if thresholds not in OUT_OF_FOLD and not thresholds.endswith(".csv"):
            raise ValueError(
                f"found {thresholds!r}; expected a number, one number per class, oof, oof_per_class, or the path of a "
                "CSV file"
            )
        return thresholds

    @property
    def out_of_fold(self) -> bool:
        """Whether the thresholds are searched on out-of-fold predictions."""
        return self.thresholds in OUT_OF_FOLD

    @property
    def threshold_file(self) -> str | None:
        """Path of the table of thresholds; None if they come from elsewhere."""
        return self.thresholds if isinstance(self.thresholds, str) and not self.out_of_fold else None


def checked_thresholds(thresholds: object, others: str = "") -> object:
    """Return thresholds that are a number or a list of numbers between 0 and 1; else raise ValueError in one line."""
    given = thresholds if isinstance(thresholds, (list, tuple)) else [thresholds]
    right = [
        isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1 for value in given
    ]
    if not right or not all(right):
        wrong = given[right.index(False)] if right else thresholds
        shown = str(wrong).lower() if isinstance(wrong, bool) else repr(wrong)
        raise ValueError(f"found {shown}; expected a number from 0 to 1, one per class{others}")
    return thresholds


def per_class(thresholds: float | Sequence[float], classes: int) -> list[float]:
    """Return one threshold per class."""
    return [float(thresholds)] * classes if isinstance(thresholds, (int, float)) else list(thresholds)

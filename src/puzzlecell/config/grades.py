"""Settings of the grades that people give to single cells (`cell_labels.csv`)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from puzzlecell.config.base import MAX_SEED, Section
from puzzlecell.config.messages import nearest

Value = Annotated[float, Field(ge=0, le=1)]
GradeValues = tuple[Value, Value, Value, Value, Value]
"""Soft values of the grades 1 to 5."""


class GradeSettings(Section):
    """Grades of single cells by people: what they are worth, how they find their cells, and which are held out."""

    values: GradeValues = Field(
        (0.0, 0.2, 0.7, 0.9, 1.0),
        description="Soft values of the grades 1 (the cell surely lacks the class) to 5 (it surely shows it).",
    )
    per_class: dict[str, GradeValues] = Field(
        {}, description="Soft values of the grades for single classes, by name, in place of `values`."
    )
    most_moved: float = Field(
        0.25,
        ge=0,
        le=1,
        description="How far the centroid of a cell may lie from where it was when the cell was graded, as a fraction "
        "of its diameter.",
    )
    most_resized: float = Field(
        1.5,
        ge=1,
        le=100,
        description="Factor by which the area of a cell may differ from its area when it was graded.",
    )
    max_unplaced: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Fraction of the grades of a data set that may belong to no cell of this run; they are listed and "
        "left out.",
    )
    held_out: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Fraction of the graded cells of the training sets that no stage learns from; they give the score "
        "on graded cells. Fields that stay together in the folds stay together here, too.",
    )
    seed: int = Field(2020, ge=0, le=MAX_SEED, description="Random seed of the choice of the held-out cells.")

    @model_validator(mode="after")
    def _check(self) -> "GradeSettings":
        for place, values in {"values": self.values, **self.per_class}.items():
            if list(values) != sorted(values):
                where = place if place == "values" else f"per_class.{place}"
                raise ValueError(f"{where}: found {list(values)}; a higher grade cannot have a lower value")
        return self

    def values_of(self, classes: Sequence[str]) -> list[GradeValues]:
        """Soft values of the grades 1 to 5 for each class of the class table."""
        return [self.per_class.get(name, self.values) for name in classes]


def grade_class_problems(grades: GradeSettings, names: Sequence[str]) -> list[str]:
    """Classes with soft values of their own that are not in the class table."""
    return [
        f"grades.per_class: no class {name!r}{nearest(name, names)}"
        for name in grades.per_class
        if name not in names
    ]

"""Base class and types shared by all sections of the configuration."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict

from puzzlecell.config.numbers import number_problem

NO_EFFECT: JsonDict = {"changes_result": False}
"""`json_schema_extra` of a setting that affects no result: changing it rebuilds nothing."""

MAX_SEED = 2**32 - 1
"""Largest seed that all random number generators accept."""

ClassLimit = Annotated[int, Field(ge=1)] | Literal["all", "all_but_one"]
"""Number of classes that may be kept. The published code keeps all but one: every class except Negative."""


class Section(BaseModel):
    """A section of the configuration: unknown keys are errors, values are immutable, and numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _really_numbers(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        problem = number_problem(field.annotation, value)
        if problem:
            raise ValueError(problem)
        return value


def class_limit(limit: ClassLimit, classes: int) -> int:
    """Return a class limit as a number, given the number of classes."""
    if isinstance(limit, int):
        return limit
    return classes if limit == "all" else classes - 1

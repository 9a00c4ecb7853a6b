"""Base class and types shared by all sections of the configuration."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

NO_EFFECT: JsonDict = {"changes_result": False}
"""`json_schema_extra` of a setting that affects no result: changing it rebuilds nothing."""

ClassLimit = Annotated[int, Field(ge=1)] | Literal["all", "all_but_one"]
"""Number of classes that may be kept. The published code keeps all but one: every class except Negative."""


class Section(BaseModel):
    """A section of the configuration: unknown keys are errors, and values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def class_limit(limit: ClassLimit, classes: int) -> int:
    """Return a class limit as a number, given the number of classes."""
    if isinstance(limit, int):
        return limit
    return classes if limit == "all" else classes - 1

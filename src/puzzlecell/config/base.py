"""What every section of the configuration shares."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

NO_EFFECT: JsonDict = {"changes_result": False}
"""`json_schema_extra` of a setting that changes no result: changing it rebuilds nothing."""

ClassLimit = Annotated[int, Field(ge=1)] | Literal["all", "all_but_one"]
"""How many classes may be kept. The published code keeps all but one: every class but Negative."""


class Section(BaseModel):
    """A section of the configuration: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def class_limit(limit: ClassLimit, classes: int) -> int:
    """The number that a limit stands for, given the number of classes."""
    if isinstance(limit, int):
        return limit
    return classes if limit == "all" else classes - 1

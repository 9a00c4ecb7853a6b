"""Settings of the warnings about results that look wrong."""

from pydantic import Field, field_validator

from puzzlecell.config.base import NO_EFFECT, Section


class PlausibilitySettings(Section):
    """What counts as implausible. Findings are listed in `results/warnings.csv`; too many in a data set are an error.

    A field is implausible if it has no cell, if its nuclei have an impossible size, if one of its cells touches all
    four borders, or if its blue or green channel is nearly constant. A constant red or yellow channel is only listed,
    because some data sets lack these stains.
    """

    nucleus_um: tuple[float, float] = Field(
        (6.0, 30.0),
        description="Smallest and largest plausible median diameter of the nuclei of a data set, in micrometres; the "
        "diameter is that of a circle with the area of the nucleus.",
        json_schema_extra=NO_EFFECT,
    )
    field_tolerance: float = Field(
        1.5,
        ge=1,
        le=10,
        description="Factor by which the median diameter of a single field may be below or above `nucleus_um`, because "
        "a field has few nuclei.",
        json_schema_extra=NO_EFFECT,
    )
    min_contrast: int = Field(
        4,
        ge=0,
        le=255,
        description="A channel is nearly constant if the brightest pixel of the stored field is less than this many of "
        "255 grey levels above the darkest.",
        json_schema_extra=NO_EFFECT,
    )
    warn_above: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Above this fraction of a data set's fields, a finding is also reported for the whole data set.",
        json_schema_extra=NO_EFFECT,
    )
    max_implausible: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Fraction of a data set's fields that may be implausible; more is an error. 1: never an error.",
        json_schema_extra=NO_EFFECT,
    )
    min_fields: int = Field(
        10,
        ge=1,
        description="A shard with fewer fields causes no error on its own; the whole data set is judged later.",
        json_schema_extra=NO_EFFECT,
    )
    at_chance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="A class is at chance if (AP - p) / (1 - p) is below this value, where AP is its average precision "
        "on the held-out fields and p the fraction of these fields that have the class.",
        json_schema_extra=NO_EFFECT,
    )

    @field_validator("nucleus_um")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= limits[0] < limits[1] < float("inf"):
            raise ValueError(f"expected two diameters, the smaller one first, found {list(limits)}")
        return limits

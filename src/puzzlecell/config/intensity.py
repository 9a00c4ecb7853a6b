"""Settings of the intensity range of raw fields."""

from typing import Literal, Self

from pydantic import Field, model_validator

from puzzlecell.config.base import Section

CHANNELS = 4
# Checked below: the problem of a value that is one of several types names all of them.
PerChannel = tuple[float, float, float, float]
OF_RULE = {"reference": set(), "depth": {"bits", "maximum"}, "percentiles": {"low", "high", "min_range"}}


class IntensitySettings(Section):
    """Which raw intensities become black and white. Lists of four values are for red, green, blue and yellow."""

    rule: Literal["reference", "depth", "percentiles"] = Field(
        "reference",
        description="`reference`: black is 0; white is 65535 if any pixel of the field is above 255, else 255, as in "
        "the published code; of floating-point fields, which must not exceed 1, white is 1. `depth`: white is the "
        "brightest value of a number of bits, or a value of your own. `percentiles`: black and white are percentiles "
        "of each channel of each field, which evens out exposures, but also loses how bright a field is.",
    )
    bits: int | tuple[int, int, int, int] | None = Field(
        None,
        description="For `depth`: bits of the camera, such as 12 in 16-bit files: white is 2^bits - 1. A field with a "
        "brighter pixel counts as damaged.",
    )
    maximum: float | PerChannel | None = Field(
        None,
        description="For `depth`, in place of `bits`: the raw value that becomes white. Brighter pixels become white "
        "too.",
    )
    low: float | PerChannel = Field(0.1, description="For `percentiles`: the percentile that becomes black.")
    high: float | PerChannel = Field(
        99.9, description="For `percentiles`: the percentile that becomes white."
    )
    min_range: float = Field(
        0.1,
        gt=0,
        le=1,
        description="For `percentiles`: smallest range from black to white, as a fraction of the brightest pixel of "
        "the field in any channel, so that the noise of a channel without a stain stays dark. Of integers, the range "
        "is also at least 16 grey levels.",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        changed = {
            name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default
        }
        foreign = sorted(changed - OF_RULE[self.rule] - {"rule"})
        if foreign:
            raise ValueError(f"{', '.join(foreign)} has no effect with rule: {self.rule}; leave it out")
        if self.rule == "depth" and (self.bits is None) == (self.maximum is None):
            raise ValueError("rule: depth needs either bits or maximum")
        if self.bits is not None and not all(1 <= bits <= 16 for bits in each(self.bits)):
            raise ValueError(f"bits is {self.bits}; expected 1 to 16")
        if self.maximum is not None and min(each(self.maximum)) <= 0:
            raise ValueError(f"maximum is {self.maximum}; expected more than 0")
        if min(each(self.low)) < 0 or max(each(self.high)) > 100:
            raise ValueError(f"low is {self.low} and high {self.high}; expected percentiles of 0 to 100")
        if any(low >= high for low, high in zip(each(self.low), each(self.high), strict=True)):
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        return self


def each(value: float | tuple[float, ...]) -> tuple[float, ...]:
    """Return a setting as four values, one per channel."""
    return value if isinstance(value, tuple) else (value,) * CHANNELS

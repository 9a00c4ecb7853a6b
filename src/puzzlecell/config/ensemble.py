"""Settings of the ensemble."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from puzzlecell.config.base import Section


class EnsembleMember(Section):
    """One table of cell probabilities in the ensemble."""

    model: str = Field(description="Name of a model.")
    stage: str = Field(description="Name of a stage of that model.")
    step: Literal[1, 2] = Field(description="1: maps of the field. 2: crops of the cells.")
    weight: float = Field(1.0, gt=0, description="Relative weight; the weights need not sum to one.")


class ImageFusion(Section):
    """Probabilities of the cell joined with those of its whole field."""

    source: Literal["cells", "image"] = Field(
        "cells",
        description="The field's value: the mean over its valid cells, or the network's view of the field.",
    )
    how: Literal["mean", "product"] = Field(
        "mean",
        description="mean: weight x cell + (1 - weight) x field. product: cell^weight x field^(1 - weight), "
        "which at weight 0.5 ranks like cell x field.",
    )
    weight: float = Field(0.7, ge=0, le=1, description="Weight of the cell.")
    except_classes: tuple[int, ...] = Field((), description="Classes left as they are, by index.")
    valid_quality: float = Field(
        0.5, ge=0, le=1, description="Cells whose border x outlier quality is below it are not valid."
    )


PRESETS: dict[str, dict[str, object]] = {
    "mpware": {
        "combine": "mean",
        "image_fusion": None,
        "negative": "own",
        "border_quality": False,
        "outlier_quality": False,
        "max_classes": 18,
        "threshold": 0.0,
    },
    "crodoc": {
        "combine": "mean",
        "image_fusion": {"source": "cells", "how": "mean", "weight": 0.7, "except_classes": [11, 18]},
        "negative": "one_minus_max",
        "border_quality": True,
        "outlier_quality": True,
        "max_classes": None,
        "threshold": 0.0,
    },
}


class EnsembleSettings(Section):
    """Members joined and post-processed, in the order of the keys below. A preset fills the keys that are
    not given.
    """

    preset: Literal["mpware", "crodoc"] = Field(
        "mpware", description="Values of the keys below that are not given."
    )
    members: tuple[EnsembleMember, ...] = Field(min_length=1, description="Tables to join.")
    combine: Literal["mean", "product"] = Field(
        "mean", description="Weighted arithmetic or geometric mean of members."
    )
    image_fusion: ImageFusion | None = Field(None, description="null: off.")
    negative: Literal["own", "one_minus_max", "min_complement"] = Field(
        "own",
        description="Negative is its own probability, 1 - the largest of the others, or the smallest 1 - "
        "p of the "
        "others in any member before they were joined.",
    )
    border_quality: bool = Field(False, description="Multiply by the quality of cells cut by the border.")
    outlier_quality: bool = Field(
        False, description="Multiply by the quality of cells much darker than their field."
    )
    max_classes: int | None = Field(
        18,
        ge=1,
        description="Classes in a field: those of the highest probability in any cell; the rest become 0.",
    )
    threshold: float = Field(0.0, ge=0, le=1, description="Lower probabilities become 0.")
    class_thresholds: dict[int, float] = Field({}, description="Thresholds of single classes, by index.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("preset", "mpware") in PRESETS:
            return {**PRESETS[values.get("preset", "mpware")], **values}
        return values

    @field_validator("class_thresholds")
    @classmethod
    def _between_zero_and_one(cls, thresholds: dict[int, float]) -> dict[int, float]:
        wrong = {index: value for index, value in thresholds.items() if not (index >= 0 and 0 <= value <= 1)}
        if wrong:
            raise ValueError(f"class thresholds map an index from 0 to a value in [0, 1], not {wrong}")
        return thresholds

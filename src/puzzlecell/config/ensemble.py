"""Settings of the ensemble."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from puzzlecell.config.base import ClassLimit, Section
from puzzlecell.config.messages import nearest


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
    except_classes: tuple[int | str, ...] = Field(
        (), description="Classes left as they are, by name or index."
    )
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
        "max_classes": "all_but_one",
        "threshold": 0.0,
    },
    "crodoc": {
        "combine": "mean",
        "image_fusion": {
            "source": "cells",
            "how": "mean",
            "weight": 0.7,
            "except_classes": ["Mitotic spindle", "Negative"],
        },
        "negative": "one_minus_max",
        "border_quality": True,
        "outlier_quality": True,
        "max_classes": "all",
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
    max_classes: ClassLimit = Field(
        "all_but_one",
        description="Classes kept in a field: those with the highest probability in any cell; the others become 0. A "
        "number, `all`, or `all_but_one`.",
    )
    threshold: float = Field(0.0, ge=0, le=1, description="Lower probabilities become 0.")
    class_thresholds: dict[int | str, float] = Field(
        {}, description="Thresholds of single classes, by name or index."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("preset", "mpware") in PRESETS:
            return {**PRESETS[values.get("preset", "mpware")], **values}
        return values

    @field_validator("class_thresholds")
    @classmethod
    def _between_zero_and_one(cls, thresholds: dict[int | str, float]) -> dict[int | str, float]:
        wrong = {
            key: value
            for key, value in thresholds.items()
            if not 0 <= value <= 1 or (isinstance(key, int) and key < 0)
        }
        if wrong:
            raise ValueError(
                f"class_thresholds map a name or an index from 0 to a value in [0, 1], found {wrong}"
            )
        return thresholds

    def with_indices(self, classes: Sequence[str]) -> "EnsembleSettings":
        """The same settings with indices in place of names of classes.

        Names that come from the preset and are none of `classes` are dropped. Raises ValueError for other unknown
        names and for indices that there are not.
        """
        problems: list[str] = []
        fusion = self.image_fusion
        if fusion is not None:
            wanted = fusion.except_classes
            if fusion == ImageFusion.model_validate(PRESETS[self.preset]["image_fusion"] or {}):
                wanted = tuple(name for name in wanted if name in classes)
            indices = tuple(
                class_index(name, classes, "image_fusion.except_classes", problems) for name in wanted
            )
            fusion = fusion.model_copy(update={"except_classes": indices})
        thresholds = {
            class_index(name, classes, "class_thresholds", problems): value
            for name, value in self.class_thresholds.items()
        }
        if problems:
            raise ValueError("; ".join(problems))
        return self.model_copy(update={"image_fusion": fusion, "class_thresholds": thresholds})


def class_index(name: int | str, classes: Sequence[str], key: str, problems: list[str]) -> int:
    """Index of a class given by name or index; a text is added to `problems` where there is no such class."""
    if isinstance(name, int) and 0 <= name < len(classes):
        return name
    if name in classes:
        return list(classes).index(str(name))
    hint = nearest(name, classes) if isinstance(name, str) else f"; indices are 0 to {len(classes) - 1}"
    problems.append(f"{key}: there is no class {name!r}{hint}")
    return -1

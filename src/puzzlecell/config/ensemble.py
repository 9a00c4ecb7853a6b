"""Settings of the ensemble."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from puzzlecell.config.base import ClassLimit, Section
from puzzlecell.config.messages import nearest
from puzzlecell.config.readers import READ_STAGE, with_stage

Weight = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]


class EnsembleMember(Section):
    """One table of cell probabilities in the ensemble."""

    model: str = Field(description="Name of a model in `models`.")
    stage: str = Field(
        READ_STAGE, description="Name of a stage of that model; not needed for a model without `stages`."
    )
    step: Literal[1, 2] = Field(
        2,
        description="Step whose probabilities are used: 1 reads the maps of whole fields, 2 classifies crops of cells. "
        "Not needed for a model without `stages`, whose step is 2.",
    )
    weight: float = Field(
        1.0, gt=0, le=1e6, description="Relative weight of the member; weights need not sum to 1."
    )
    classes: dict[int | str, Weight] = Field(
        {},
        description="Weights that replace `weight` for single classes, by name or index; 0: the member has no say in "
        "the class. Each class needs a member with a weight above 0.",
    )

    @model_serializer(mode="wrap")
    def _complete(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return with_stage(handler(self), self.stage, self.step)


class ImageFusion(Section):
    """Combination of the probabilities of each cell with those of its field."""

    source: Literal["cells", "image"] = Field(
        "cells",
        description="Probabilities of the field: `cells` takes the mean over its valid cells, `image` the network's "
        "prediction for the whole field.",
    )
    how: Literal["mean", "product"] = Field(
        "mean",
        description="`mean`: weight x cell + (1 - weight) x field. `product`: cell^weight x field^(1 - weight), "
        "which at weight 0.5 ranks like cell x field.",
    )
    weight: float = Field(
        0.7, ge=0, le=1, description="Weight of the cell's own probability; the field has 1 - weight."
    )
    class_weights: dict[int | str, Share] = Field(
        {},
        description="Weights that replace `weight` for single classes, by name or index; 1: the cell alone, 0: the "
        "field alone.",
    )
    except_classes: tuple[int | str, ...] = Field(
        (), description="Classes whose probabilities are not combined, by name or index."
    )
    valid_quality: float = Field(
        0.5,
        ge=0,
        le=1,
        description="With `source: cells`, cells whose border_quality x outlier_quality is below this value are left "
        "out of the field's mean.",
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
    """Combination and post-processing of the members, in the order of the keys below.

    A preset supplies the values of all keys that are not given.
    """

    preset: Literal["mpware", "crodoc"] = Field(
        "mpware",
        description="Published solution that supplies the keys below that are not given: `mpware` (third place, the "
        "defaults shown here) or `crodoc` (fourth place).",
    )
    members: tuple[EnsembleMember, ...] = Field(
        min_length=1,
        description="Tables of cell probabilities to combine, each from one step of a model's stage.",
    )
    combine: Literal["mean", "product"] = Field(
        "mean",
        description="How members are combined: `mean` is the weighted arithmetic mean, `product` the weighted "
        "geometric mean.",
    )
    image_fusion: ImageFusion | None = Field(
        None, description="Combination of each cell's probabilities with those of its field. null: none."
    )
    negative: Literal["own", "mean", "step2", "one_minus_max", "min_complement"] = Field(
        "own",
        description="Probability of the class Negative: `own` keeps the predicted one, combined as the other classes "
        "are. `mean` takes the weighted arithmetic mean of the members' own, without the field, and `step2` that of "
        "the members of step 2. `one_minus_max` takes 1 - the highest probability of the other classes, "
        "`min_complement` 1 - their highest probability in any single member.",
    )
    suppress_by_negative: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Exponent k: the probabilities of all classes but Negative are multiplied by (1 - Negative)^k. "
        "0: they are left as they are.",
    )
    border_quality: bool = Field(
        False,
        description="Multiply the probabilities of each cell by its border_quality, which is low for nuclei cut by "
        "the field's border.",
    )
    outlier_quality: bool = Field(
        False,
        description="Multiply the probabilities of each cell by its outlier_quality, which is low for cells much "
        "darker than the others of the field.",
    )
    max_classes: ClassLimit = Field(
        "all_but_one",
        description="Number of classes kept per field, those with the highest probability in any of its cells; the "
        "probabilities of all other classes are set to 0. A number, `all`, or `all_but_one`.",
    )
    threshold: float = Field(0.0, ge=0, le=1, description="Probabilities below this value are set to 0.")
    class_thresholds: dict[int | str, float] = Field(
        {}, description="Thresholds that replace `threshold` for single classes, by name or index."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: object) -> object:
        preset = values.get("preset", "mpware") if isinstance(values, dict) else None
        if isinstance(values, dict) and isinstance(preset, str) and preset in PRESETS:
            return {**PRESETS[preset], **values}
        return values

    @model_validator(mode="after")
    def _check(self) -> "EnsembleSettings":
        if self.negative == "step2" and not any(member.step == 2 for member in self.members):
            raise ValueError("negative: step2 needs a member of step 2, but all members are of step 1")
        return self

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
                f"class_thresholds must map class names or indices (from 0) to values in [0, 1], found {wrong}"
            )
        return thresholds

    def needs_negative(self) -> list[str]:
        """Problems of a configuration without a negative class: what only one with such a class can have."""
        wrong = {
            "negative": self.negative if self.negative != "own" else None,
            "suppress_by_negative": self.suppress_by_negative or None,
        }
        return [
            f"{key} is {value}, but the configuration names no negative class"
            for key, value in wrong.items()
            if value is not None
        ]

    def with_indices(self, classes: Sequence[str]) -> "EnsembleSettings":
        """Return the settings with class names replaced by indices.

        Names that come from a preset and are not in `classes` are dropped. Raises ValueError with one line for each
        other unknown name, each index out of range and each class that is given twice, such as by name and by index.
        """
        problems: list[str] = []
        fusion = self.image_fusion
        if fusion is not None:
            fusion = self._fusion_with_indices(fusion, classes, problems)
        members = tuple(
            member.model_copy(
                update={"classes": _by_index(member.classes, classes, f"members.{number}.classes", problems)}
            )
            for number, member in enumerate(self.members)
        )
        thresholds = _by_index(self.class_thresholds, classes, "class_thresholds", problems)
        for index, name in enumerate(classes):
            if not any(member.classes.get(index, member.weight) for member in members):
                problems.append(
                    f"members: all have the weight 0 for the class {name}; give one a weight above 0"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self.model_copy(
            update={"image_fusion": fusion, "members": members, "class_thresholds": thresholds}
        )

    def _fusion_with_indices(
        self, fusion: ImageFusion, classes: Sequence[str], problems: list[str]
    ) -> ImageFusion:
        wanted = fusion.except_classes
        if fusion == ImageFusion.model_validate(PRESETS[self.preset]["image_fusion"] or {}):
            wanted = tuple(name for name in wanted if name in classes)
        excepted = _indices(wanted, classes, "image_fusion.except_classes", problems)
        weights = _by_index(fusion.class_weights, classes, "image_fusion.class_weights", problems)
        for index in sorted(set(excepted) & weights.keys() - {-1}):
            problems.append(
                f"image_fusion.class_weights: {classes[index]} is one of the except_classes, which have no weight; "
                "name it in only one of the two"
            )
        return fusion.model_copy(update={"except_classes": excepted, "class_weights": weights})


def _by_index(
    values: Mapping[int | str, float], classes: Sequence[str], key: str, problems: list[str]
) -> dict[int | str, float]:
    """Values by the indices of their classes; unknown and repeated ones are added to `problems`."""
    return dict(zip(_indices(tuple(values), classes, key, problems), values.values(), strict=True))


def _indices(
    names: Sequence[int | str], classes: Sequence[str], key: str, problems: list[str]
) -> tuple[int, ...]:
    """Indices of classes given by name or index; unknown and repeated ones are added to `problems`."""
    indices = tuple(class_index(name, classes, key, problems) for name in names)
    for index in sorted({index for index in indices if index >= 0 and indices.count(index) > 1}):
        given = " and ".join(str(name) for name, found in zip(names, indices, strict=True) if found == index)
        problems.append(f"{key}: class {index} ({classes[index]}) is given more than once: {given}")
    return indices


def class_index(name: int | str, classes: Sequence[str], key: str, problems: list[str]) -> int:
    """Index of a class given by name or index; if there is no such class, add a message to `problems`, return -1."""
    if isinstance(name, int) and 0 <= name < len(classes):
        return name
    if name in classes:
        return list(classes).index(str(name))
    hint = nearest(name, classes) if isinstance(name, str) else f"; indices are 0 to {len(classes) - 1}"
    problems.append(f"{key}: there is no class {name!r}{hint}")
    return -1

"""Settings of models and their training stages."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from puzzlecell.config.base import MAX_SEED, Section
from puzzlecell.config.cell_stage import TargetSettings, Teacher
from puzzlecell.config.readers import SubCellSettings

WITH_FROZEN: Mapping[str, Any] = {"puzzle": {"pieces": 0}, "augmentation": "none"}
"""Settings of a training whose backbone is frozen: it sees features of whole fields."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class StageSettings(Section):
    """A training stage of a model; one network is trained per fold."""

    kind: Literal["fields", "cells"] = Field(
        "fields",
        description="What the network is trained on: `fields` with their labels, or `cells`, crops of single cells "
        "with soft targets that are made of out-of-fold predictions (`learns_from`) or of grades. A stage of the kind "
        "`cells` is called a pupil.",
    )
    datasets: list[Name] = Field(
        [],
        description="Names of the data sets used for training; a stage with `checkpoints` needs none. With them, it "
        "has out-of-fold predictions too: its weights must come from the same folds.",
    )
    start: Name | None = Field(
        None,
        description="Stage of the same model from whose weights this one starts. null: it starts from "
        "`network.pretrained`.",
    )
    checkpoints: str | None = Field(
        None,
        description="Ready weights to use instead of training: a path with `{fold}` for the number of the fold, such "
        "as `weights/fold{fold}.safetensors`. null: the stage is trained.",
    )
    training: dict[str, Any] = Field(
        {}, description="Keys of `training` that this stage overrides, in addition to those of its model."
    )
    learns_from: tuple[Teacher, ...] = Field(
        (), description="Teachers of a stage of the kind `cells` with the labels `predicted`."
    )
    labels: Literal["predicted", "graded"] = Field(
        "predicted",
        description="Targets of a stage of the kind `cells`: `predicted` by its teachers, or `graded` by people "
        "(`cell_labels.csv` of its data sets).",
    )
    targets: TargetSettings = TargetSettings()
    rounds: int = Field(
        1,
        ge=1,
        le=5,
        description="Rounds of a stage of the kind `cells` with the labels `predicted`: from the second one on, it "
        "learns from step 2 of the round before.",
    )
    transductive: bool = Field(
        False,
        description="Whether a stage of the kind `cells` may learn from predictions for test data sets. Their labels "
        "are never used.",
    )


class ModelSettings(Section):
    """A network and its training stages; or one from elsewhere that reads cells (`cells`), or its answers (`table`)."""

    network: dict[str, Any] = Field({}, description="Keys of `training.network` that this model overrides.")
    input: dict[str, Any] = Field({}, description="Keys of `training.input` that this model overrides.")
    seed: int | None = Field(
        None, ge=0, le=MAX_SEED, description="Random seed of this model. null: `training.seed`."
    )
    training: dict[str, Any] = Field({}, description="Other keys of `training` that this model overrides.")
    stages: dict[Name, StageSettings] = Field({}, description="Training stages of the model, by name.")
    cells: SubCellSettings | None = Field(
        None,
        description="In place of `stages`: a network that reads each cell by itself and is not trained here. As a "
        "member or teacher, it needs no `stage` and no `step`.",
    )
    table: str | None = Field(
        None,
        description="In place of `stages`: path of a table with the probabilities that another program gives each "
        "cell, with `{ds}` for the name of the data set: CSV or Parquet with `ID`, `cell` and `p00`, `p01`, ... or "
        "the names of the classes. As a member or teacher, it needs no `stage` and no `step`.",
    )
    seen: list[Name] | None = Field(
        None,
        description="Of a model with `cells` or a `table`: names of the data sets with fields that it was trained on "
        "elsewhere, `[]` for none. What learns from predictions for labelled fields or measures by them (calibration, "
        "weights of members, out-of-fold ensembles, pupils) needs to know. null: not stated, so these are refused.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "ModelSettings":
        kinds = [key for key in ("stages", "cells", "table") if getattr(self, key)]
        if len(kinds) != 1:
            raise ValueError(
                f"expected one of stages, cells and table; found {' and '.join(kinds) or 'none of them'}"
            )
        useless = [key for key in ("network", "input", "seed", "training") if key in self.model_fields_set]
        if kinds != ["stages"] and useless:
            raise ValueError(f"a model with {kinds[0]} is not trained; remove {', '.join(useless)}")
        if kinds == ["stages"] and self.seen is not None:
            raise ValueError("a model with stages has seen the data sets of its stages; remove seen")
        return self


def checkpoint_problem(pattern: str) -> str | None:
    """Say what is wrong with a path of ready weights, in which `{fold}` is the only placeholder."""
    if any(brace in pattern.replace("{fold}", "") for brace in "{}"):
        return f"the path {pattern} has braces other than those of {{fold}}, the only placeholder"
    if "{fold}" not in pattern:
        return f"the path {pattern} has no {{fold}} in it, which stands for the number of the fold"
    return None


def checkpoint_path(pattern: str, fold: int | str) -> str:
    """Path of the ready weights of a fold."""
    return pattern.replace("{fold}", str(fold))


def training_layers(values: Mapping[str, Any], model: str, stage: str) -> dict[str, Mapping[str, Any]]:
    """Return the layers of a stage's training settings by their place in the file; later layers take precedence.

    A stage of the kind `cells` has no second pass over tiles unless its own settings ask for one, which is a problem.
    With a frozen backbone there is no such pass and no augmentation, unless settings at least as specific as the one
    that freezes it ask for them.
    """
    given = mapping(mapping(values, "models"), model)
    own = {key: given[key] for key in ("network", "input", "seed") if given.get(key) is not None}
    place = f"models.{model}"
    stage_given = mapping(mapping(given, "stages"), stage)
    # The puzzle is one of fields: settings for the other stages of the model do not count.
    default = {"puzzle": {"pieces": 0}} if stage_given.get("kind") == "cells" else {}
    layers = {
        "training": mapping(values, "training"),
        place: own,
        f"{place}.training": mapping(given, "training"),
        f"{place}.stages.{stage}.kind": default,
        f"{place}.stages.{stage}.training": mapping(stage_given, "training"),
    }
    freezing = [name for name, layer in layers.items() if mapping(layer, "network").get("frozen") is not None]
    if not freezing or mapping(layers[freezing[-1]], "network")["frozen"] is not True:
        return layers
    before = list(layers).index(freezing[-1])
    entries = list(layers.items())
    return dict([*entries[:before], (f"{freezing[-1]}.network.frozen", WITH_FROZEN), *entries[before:]])


def mapping(values: Any, key: str) -> Mapping[str, Any]:
    """The mapping under a key of unvalidated values; empty if there is none."""
    value = values.get(key) if isinstance(values, Mapping) else None
    return value if isinstance(value, Mapping) else {}

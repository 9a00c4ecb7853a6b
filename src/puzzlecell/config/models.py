"""Settings of models and of the stages of their training."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from puzzlecell.config.base import Section

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class StageSettings(Section):
    """One training of a model for each fold."""

    datasets: list[Name] = Field(min_length=1, description="Data sets whose fields are trained on.")
    start: Name | None = Field(
        None, description="Stage of the same model whose weights this one starts from."
    )
    checkpoints: str | None = Field(
        None,
        description="Ready weights instead of training: a path with {fold}, such as weights/fold{fold}.safetensors.",
    )
    training: dict[str, Any] = Field({}, description="Changes to the model's training settings.")


class ModelSettings(Section):
    """A network and the stages of its training."""

    network: dict[str, Any] = Field({}, description="Changes to training.network for this model.")
    input: dict[str, Any] = Field({}, description="Changes to training.input for this model.")
    seed: int | None = Field(None, ge=0, description="Seed in place of training.seed.")
    training: dict[str, Any] = Field({}, description="Changes to other training settings for this model.")
    stages: dict[Name, StageSettings] = Field(min_length=1, description="Stages of its training, by name.")


def training_layers(values: Mapping[str, Any], model: str, stage: str) -> dict[str, Mapping[str, Any]]:
    """What sets a stage's training settings, later ones first to count, by the place where it is written."""
    given = mapping(mapping(values, "models"), model)
    own = {key: given[key] for key in ("network", "input", "seed") if given.get(key) is not None}
    place = f"models.{model}"
    return {
        "training": mapping(values, "training"),
        place: own,
        f"{place}.training": mapping(given, "training"),
        f"{place}.stages.{stage}.training": mapping(mapping(mapping(given, "stages"), stage), "training"),
    }


def mapping(values: Any, key: str) -> Mapping[str, Any]:
    """The mapping under a key of unchecked values; empty where there is none."""
    value = values.get(key) if isinstance(values, Mapping) else None
    return value if isinstance(value, Mapping) else {}

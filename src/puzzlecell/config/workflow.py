"""The whole configuration: typed, closed, and checked with all problems in one message.

Imports nothing heavy: planning a run must be fast.
"""

import csv
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from puzzlecell.config.base import Section
from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.messages import nearest, readable_problems
from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.submission import SubmissionSettings
from puzzlecell.config.training import TrainingSettings, merged

Name = typing.Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists every problem found in it."""


class DatasetSettings(Section):
    """A data set: a folder of raw fields and a table of their IDs."""

    role: Literal["train", "additional", "holdout", "test"] = Field(
        description="`train` sets are split into folds together, `additional` ones each on its own; `holdout` is "
        "labelled and never trained on; `test` gets the submission."
    )
    path: str | None = Field(None, description="Folder of the data set; null is data/<name>.")
    labels: str | None = Field(
        None, description="Table with a column ID, and Label; null is <path>/labels.csv."
    )
    truth: str | None = Field(
        None,
        description="Table of the truth per cell, for the score; null takes <path>/truth.csv where it exists.",
    )
    pixel_size_um: float = Field(0.08, gt=0, description="Micrometres a pixel of the raw fields.")
    shards: int = Field(
        1, ge=1, le=1000, description="Files that the data set is stored in, and jobs per step."
    )
    simulate: SimulationSettings | None = Field(
        None, description="The data set is simulated under results/simulated."
    )


class IngestSettings(Section):
    """From raw PNGs to the store."""

    size: int = Field(512, ge=32, le=4096, description="Sides of a stored field in pixels.")
    max_rejected: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of a data set's fields that may be damaged; they are listed and skipped.",
    )


class FoldSettings(Section):
    """The split of the training fields."""

    count: int = Field(4, ge=2, le=99, description="Number of folds.")
    seed: int = Field(2020, ge=0, description="Seed of the shuffle before the split.")
    group: str | None = Field(
        None,
        description="Regular expression on IDs; fields that share its first group stay in one fold (wells, say).",
    )


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
    stages: dict[Name, StageSettings] = Field(min_length=1)


class Configuration(Section):
    """Everything a run needs to know. What machines differ in belongs to rules and profiles."""

    classes: str = Field("config/classes.csv", description="Table `index,name` of the classes.")
    negative: str | None = Field(
        "Negative", description="Name of the class of cells that show nothing; null for none."
    )
    seed: int = Field(2020, ge=0, description="Seed of the simulated data sets.")
    gpu: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="`auto` takes a CUDA device where there is one."
    )
    datasets: dict[Name, DatasetSettings] = Field(min_length=1)
    ingest: IngestSettings = IngestSettings()
    folds: FoldSettings = FoldSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    training: TrainingSettings = TrainingSettings()
    models: dict[Name, ModelSettings] = Field(min_length=1)
    step1: Step1Settings = Step1Settings()
    step2: Step2Settings = Step2Settings()
    ensemble: EnsembleSettings
    submission: SubmissionSettings = SubmissionSettings()
    score: ScoreSettings = ScoreSettings()

    def stage_training(self, model: str, stage: str) -> TrainingSettings:
        """Training settings of a stage: the defaults, changed by its model, changed by the stage itself."""
        layers = _training_layers(self.model_dump(exclude_unset=True), model, stage)
        return TrainingSettings(**merged(*layers.values()))

    def datasets_of(self, *roles: str) -> list[str]:
        """Names of the data sets with one of these roles, in the order of the configuration."""
        return [name for name, dataset in self.datasets.items() if dataset.role in roles]


def load_configuration(values: Mapping[str, Any], root: str | Path = ".") -> Configuration:
    """Check nested `values` (as YAML gives them) and return them typed.

    root: folder that relative paths of the configuration start from.
    Raises ConfigError listing every problem: unknown keys with the nearest known one, wrong types and ranges,
    data sets, stages and ensemble members that do not exist, files that are missing.
    """
    problems = []
    configuration = None
    try:
        configuration = Configuration(**values)
    except ValidationError as error:
        problems += readable_problems(error, Configuration)
    problems += _training_problems(values)
    problems += _reference_problems(values)
    if configuration is not None:
        problems += _file_problems(configuration, Path(root))
    if problems:
        raise ConfigError(
            "\n".join(["the configuration cannot be used:", *(f"  {p}" for p in dict.fromkeys(problems))])
        )
    return configuration


def _training_layers(values: Mapping[str, Any], model: str, stage: str) -> dict[str, Mapping[str, Any]]:
    """What decides a stage's training settings, by the place in the configuration where it is written."""
    given = _mapping(_mapping(values, "models"), model)
    own = {key: given[key] for key in ("network", "input", "seed") if given.get(key) is not None}
    place = f"models.{model}"
    return {
        "training": _mapping(values, "training"),
        place: own,
        f"{place}.training": _mapping(given, "training"),
        f"{place}.stages.{stage}.training": _mapping(_mapping(_mapping(given, "stages"), stage), "training"),
    }


def _training_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems of the training settings of all stages, each named where it is written."""
    problems = []
    for model, given in _mapping(values, "models").items():
        for stage in _mapping(given, "stages"):
            layers = _training_layers(values, model, stage)
            try:
                TrainingSettings(**merged(*layers.values()))
            except ValidationError as error:
                problems += readable_problems(
                    error, TrainingSettings, lambda location, layers=layers: _written_in(layers, location)
                )
    return problems


def _written_in(layers: Mapping[str, Mapping[str, Any]], location: list) -> str:
    """Place of the last layer that holds the key at `location`; the stage's own for problems of several keys."""
    for place, layer in reversed(layers.items()):
        value: Any = layer
        for part in location:
            value = value.get(part) if isinstance(value, Mapping) else None
        if location and value is not None:
            return place
    return list(layers)[-1]


def _reference_problems(values: Mapping[str, Any]) -> list[str]:
    """Names that point to nothing. Works on unchecked values, so that these problems show beside all others."""
    problems = []
    datasets, models = _mapping(values, "datasets"), _mapping(values, "models")
    roles = {name: dataset.get("role") for name, dataset in datasets.items() if isinstance(dataset, Mapping)}
    for role in ("train", "test"):
        if datasets and role not in roles.values():
            problems.append(f"datasets: none has the role {role}; the pipeline needs one at least")
    for model_name, model in models.items():
        stages = _mapping(model, "stages")
        for stage_name, stage in stages.items():
            place = f"models.{model_name}.stages.{stage_name}"
            if not isinstance(stage, Mapping):
                continue
            for name in stage.get("datasets") or []:
                if name not in datasets:
                    problems.append(f"{place}.datasets: no data set {name!r}{nearest(name, datasets)}")
                elif roles.get(name) not in ("train", "additional"):
                    problems.append(
                        f"{place}.datasets: {name} has the role {roles.get(name)}; "
                        "only train and additional are trained on"
                    )
            problems += _start_problems(place, stage_name, stages)
            if stage.get("checkpoints") and "{fold}" not in str(stage["checkpoints"]):
                problems.append(f"{place}.checkpoints: the path {stage['checkpoints']} has no {{fold}} in it")
    members = _mapping(values, "ensemble").get("members")
    for number, member in enumerate(members if isinstance(members, list) else []):
        if not isinstance(member, Mapping):
            continue
        place = f"ensemble.members.{number}"
        model, stage = member.get("model"), member.get("stage")
        if model not in models:
            problems.append(
                f"{place}.model: no model {model!r}, so it is never trained{nearest(model, models)}"
            )
        elif stage not in _mapping(models[model], "stages"):
            problems.append(
                f"{place}.stage: model {model} has no stage {stage!r}, so it is never trained"
                f"{nearest(stage, _mapping(models[model], 'stages'))}"
            )
    return problems


def _start_problems(place: str, stage_name: str, stages: Mapping[str, Any]) -> list[str]:
    seen, current = [stage_name], _mapping(stages, stage_name).get("start")
    while current is not None:
        if current not in stages:
            if len(seen) == 1:
                return [f"{place}.start: no stage {current!r} in this model{nearest(current, stages)}"]
            return []
        if current in seen:
            return [
                f"{place}.start: the stages start from each other in a circle: {' <- '.join([*seen, current])}"
            ]
        seen.append(current)
        current = _mapping(stages, current).get("start")
    return []


def _file_problems(configuration: Configuration, root: Path) -> list[str]:
    problems = []
    if not (root / configuration.classes).is_file():
        problems.append(f"classes: there is no file {configuration.classes}")
    else:
        names = _class_names(root / configuration.classes)
        if configuration.negative is not None and configuration.negative not in names:
            problems.append(
                f"negative: no class {configuration.negative!r}{nearest(configuration.negative, names)}"
            )
    for model_name, model in configuration.models.items():
        pretrained = model.network.get("pretrained")
        if (
            isinstance(pretrained, str)
            and pretrained.endswith(".safetensors")
            and not (root / pretrained).is_file()
        ):
            problems.append(f"models.{model_name}.network.pretrained: there is no file {pretrained}")
        for stage_name, stage in model.stages.items():
            if stage.checkpoints is None or "{fold}" not in stage.checkpoints:
                continue
            paths = [stage.checkpoints.format(fold=fold) for fold in range(1, configuration.folds.count + 1)]
            missing = [path for path in paths if not (root / path).is_file()]
            if missing:
                problems.append(
                    f"models.{model_name}.stages.{stage_name}.checkpoints: there is no file {', '.join(missing)}"
                )
    return problems


def _class_names(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row.get("name", "") for row in csv.DictReader(file)]


def _mapping(values: Any, key: str) -> Mapping[str, Any]:
    value = values.get(key) if isinstance(values, Mapping) else None
    return value if isinstance(value, Mapping) else {}

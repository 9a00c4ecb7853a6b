"""Checks of a configuration beyond types and ranges: undefined names and missing files."""

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from puzzlecell.config.messages import nearest, readable_problems
from puzzlecell.config.models import mapping, training_layers
from puzzlecell.config.training import TrainingSettings, resolved


def training_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems in the training settings of all stages, each with the place in the file where it was written."""
    problems = []
    for model, given in mapping(values, "models").items():
        for stage in mapping(given, "stages"):
            layers = training_layers(values, model, stage)
            try:
                resolved(*layers.values())
            except ValidationError as error:
                problems += readable_problems(error, TrainingSettings, partial(_written_in, layers))
    return problems


def _written_in(layers: Mapping[str, Mapping[str, Any]], location: list) -> str:
    """Place of the last layer that sets the key at `location`; the stage's own if a problem involves several keys."""
    for place, layer in reversed(list(layers.items())):
        value: Any = layer
        for part in location:
            value = value.get(part) if isinstance(value, Mapping) else None
        if location and value is not None:
            return place
    return list(layers)[-1]


def reference_problems(values: Mapping[str, Any]) -> list[str]:
    """References to undefined names. Works on unvalidated values, so that they are reported with all other problems."""
    problems = []
    datasets, models = mapping(values, "datasets"), mapping(values, "models")
    roles = {name: dataset.get("role") for name, dataset in datasets.items() if isinstance(dataset, Mapping)}
    for role in ("train", "test"):
        if datasets and role not in roles.values():
            problems.append(f"datasets: none has the role {role}; the pipeline needs at least one")
    for model_name, model in models.items():
        stages = mapping(model, "stages")
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
                        "only data sets with the role train or additional are used for training"
                    )
            problems += _start_problems(place, stage_name, stages)
            if stage.get("checkpoints") and "{fold}" not in str(stage["checkpoints"]):
                problems.append(
                    f"{place}.checkpoints: the path {stage['checkpoints']} has no {{fold}} in it, which stands for "
                    "the number of the fold"
                )
    members = mapping(values, "ensemble").get("members")
    for number, member in enumerate(members if isinstance(members, list) else []):
        if not isinstance(member, Mapping):
            continue
        place = f"ensemble.members.{number}"
        model, stage = member.get("model"), member.get("stage")
        if model is None or model not in models:
            problems.append(
                f"{place}.model: no model {model!r}, so it is never trained{nearest(model, models)}"
            )
        elif stage not in mapping(models[model], "stages"):
            problems.append(
                f"{place}.stage: model {model} has no stage {stage!r}, so it is never trained"
                f"{nearest(stage, mapping(models[model], 'stages'))}"
            )
    return problems


def _start_problems(place: str, stage_name: str, stages: Mapping[str, Any]) -> list[str]:
    seen, current = [stage_name], mapping(stages, stage_name).get("start")
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
        current = mapping(stages, current).get("start")
    return []


def file_problems(configuration: Any, root: Path) -> list[str]:
    """Missing files of an otherwise valid configuration, and a negative class that is not in the class table."""
    problems = []
    if not (root / configuration.classes).is_file():
        problems.append(f"classes: there is no file {configuration.classes}")
    else:
        names = class_names(root / configuration.classes)
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


def class_names(path: Path) -> list[str]:
    """Class names from a CSV `index,name`; an empty list if the file does not exist."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row.get("name", "") for row in csv.DictReader(file)]

"""Checks of a configuration beyond types and ranges: undefined or repeated names and missing files."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from puzzlecell.config.calibration import call_name_problems
from puzzlecell.config.cams import cam_problems
from puzzlecell.config.cell_stage_checks import cell_stage_problems, dataset_role_problem
from puzzlecell.config.class_table import ClassTableError, read_classes
from puzzlecell.config.frozen_checks import frozen_problems
from puzzlecell.config.grades import grade_class_problems
from puzzlecell.config.messages import nearest, readable_problems
from puzzlecell.config.models import checkpoint_path, checkpoint_problem, mapping, training_layers
from puzzlecell.config.reader_checks import (
    lacks_stages,
    named_stage,
    naming_problems,
    reader_file_problems,
    seen_name_problems,
)
from puzzlecell.config.steps import crop_problem
from puzzlecell.config.training import TrainingSettings, resolved
from puzzlecell.config.unlike import THIS_RUN
from puzzlecell.regular_file import file_problem


def training_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems in the training settings of all stages, each with the place in the file where it was written."""
    problems = []
    for model, given in mapping(values, "models").items():
        for stage in mapping(given, "stages"):
            layers = training_layers(values, model, stage)
            try:
                settings = resolved(*layers.values())
            except ValidationError as error:
                problems += readable_problems(error, TrainingSettings, partial(_written_in, layers))
                continue
            cells = mapping(mapping(given, "stages"), stage).get("kind") == "cells"
            if settings.network.frozen:
                place = f"models.{model}.stages.{stage}"
                problems += frozen_problems(place, settings, cells, partial(_written_in, layers))
            elif cells and settings.puzzle.pieces:
                problems.append(
                    f"models.{model}.stages.{stage}.training.puzzle.pieces: found {settings.puzzle.pieces}, expected "
                    "0: crops of cells are not cut into tiles"
                )
    return problems


def _written_in(layers: Mapping[str, Mapping[str, Any]], location: list) -> str:
    """Place of the last layer that sets the key at `location`; the stage's own if a problem involves several keys."""
    for place, layer in reversed(list(layers.items())):
        value: Any = layer
        for part in location:
            value = _entry(value, part)
        if location and value is not None:
            return place
    return list(layers)[-1]


def _entry(value: Any, part: Any) -> Any:
    """Entry of a mapping or list; None if there is none."""
    if isinstance(value, Mapping):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def reference_problems(values: Mapping[str, Any]) -> list[str]:
    """References to undefined names. Works on unvalidated values, so that they are reported with all other problems."""
    problems = []
    datasets, models = mapping(values, "datasets"), mapping(values, "models")
    roles = {name: mapping(datasets, name).get("role") for name in datasets}
    if datasets and "test" not in roles.values():
        problems.append("datasets: none has the role test; the pipeline needs at least one")
    if datasets and "train" not in roles.values() and (trained := _trained_stage(models)):
        problems.append(
            f"datasets: none has the role train; {trained} needs at least one, or ready weights (checkpoints)"
        )
    for model_name, model in models.items():
        stages = mapping(model, "stages")
        for stage_name, stage in stages.items():
            place = f"models.{model_name}.stages.{stage_name}"
            if not isinstance(stage, Mapping):
                continue
            problems += _dataset_problems(f"{place}.datasets", stage, roles)
            if not stage.get("datasets") and stage.get("checkpoints") is None:
                problems.append(
                    f"{place}.datasets: none is named; a stage that is trained needs at least one, one with ready "
                    "weights (checkpoints) needs none"
                )
            problems += _start_problems(place, stage_name, stages)
            checkpoints = stage.get("checkpoints")
            if isinstance(checkpoints, str) and (problem := checkpoint_problem(checkpoints)):
                problems.append(f"{place}.checkpoints: {problem}")
    return [
        *problems,
        *_member_problems(values),
        *seen_name_problems(models, datasets),
        *cell_stage_problems(values),
        *_view_problems(mapping(values, "view").get("datasets"), roles),
    ]


def _view_problems(names: object, roles: Mapping[str, Any]) -> Iterator[str]:
    """Data sets of the viewer that are undefined, named twice, or those of a training."""
    known = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for name in dict.fromkeys(known):
        if name not in roles:
            yield f"view.datasets: no data set {name!r}{nearest(name, roles)}"
        elif roles[name] not in ("test", "holdout"):
            yield f"view.datasets: {name} has the role {roles[name]}; expected data sets of the roles test and holdout"
        if known.count(name) > 1:
            yield f"view.datasets: {name} is named {known.count(name)} times; name each data set once"


def _trained_stage(models: Mapping[str, Any]) -> str | None:
    """Place of the first stage without ready weights; None if there is none."""
    for model in models:
        for stage, given in mapping(mapping(models, model), "stages").items():
            if isinstance(given, Mapping) and given.get("checkpoints") is None:
                return f"models.{model}.stages.{stage}"
    return None


def _dataset_problems(place: str, stage: Mapping[str, Any], roles: Mapping[str, Any]) -> Iterator[str]:
    """Data sets of a stage that are undefined, not for training or named twice."""
    names = stage.get("datasets")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for name in dict.fromkeys(names):
        if name not in roles:
            yield f"{place}: no data set {name!r}{nearest(name, roles)}"
        elif problem := dataset_role_problem(name, roles[name], stage):
            yield f"{place}: {problem}"
        if names.count(name) > 1:
            yield f"{place}: {name} is named {names.count(name)} times; name each data set once"


def _member_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Ensemble members whose model or stage is undefined, and members that occur twice."""
    models = mapping(values, "models")
    members = mapping(values, "ensemble").get("members")
    seen: dict[tuple[str, ...], int] = {}
    for number, member in enumerate(members if isinstance(members, list) else []):
        if not isinstance(member, Mapping):
            continue
        place = f"ensemble.members.{number}"
        model = member.get("model")
        given = models.get(model) if isinstance(model, str) else None
        stage, step = named_stage(member, given)
        if not isinstance(model, str) or model not in models:
            yield f"{place}.model: no model {model!r}, so it is never trained{nearest(model, models)}"
            continue
        yield from naming_problems(place, member, model, given)
        stages = mapping(given, "stages")
        known = isinstance(stage, str) and stage in stages
        if "stage" in member and not lacks_stages(given) and not known:
            yield (
                f"{place}.stage: model {model} has no stage {stage!r}, so it is never trained{nearest(stage, stages)}"
            )
        same = (model, str(stage), str(step))
        if same in seen:
            yield (
                f"{place}: the same model, stage and step as ensemble.members.{seen[same]}; give one member a larger "
                "weight instead"
            )
        seen.setdefault(same, number)


def _start_problems(place: str, stage_name: str, stages: Mapping[str, Any]) -> list[str]:
    seen, current = [stage_name], mapping(stages, stage_name).get("start")
    while isinstance(current, str):
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


def file_problems(configuration: Any, root: Path, *, raw_files: bool = True) -> list[str]:
    """Missing files of an otherwise valid configuration. raw_files: those of the data sets count too."""
    problems = []
    for name, dataset in configuration.datasets.items():
        here = raw_files and dataset.truth is not None and not dataset.truth.startswith("s3://")
        problem = file_problem(root / dataset.truth) if here else None
        if problem:
            problems.append(f"datasets.{name}.truth: {dataset.truth}: {problem}")
    licence = configuration.bundle.licence
    problem = file_problem(root / licence) if licence is not None else None
    if problem:
        problems.append(f"bundle.licence: {licence}: {problem}")
    for model_name, model in configuration.models.items():
        pretrained = model.network.get("pretrained")
        if (
            isinstance(pretrained, str)
            and pretrained.endswith(".safetensors")
            and file_problem(root / pretrained)
        ):
            problems.append(f"models.{model_name}.network.pretrained: there is no file {pretrained}")
        for stage_name, stage in model.stages.items():
            if stage.checkpoints is None or checkpoint_problem(stage.checkpoints):
                continue
            folds = range(1, configuration.folds.count + 1)
            paths = [checkpoint_path(stage.checkpoints, fold) for fold in folds]
            missing = [path for path in paths if file_problem(root / path)]
            if missing:
                problems.append(
                    f"models.{model_name}.stages.{stage_name}.checkpoints: there is no file {', '.join(missing)}"
                )
    return [
        *problems,
        *reader_file_problems(configuration, root),
        *look_problems(configuration, root),
        *calibration_problems(configuration, root),
    ]


def calibration_problems(configuration: Any, root: Path) -> list[str]:
    """Why the file `calibration.file` of an otherwise valid configuration is not available."""
    file = configuration.calibration.file
    problem = file_problem(root / file) if file not in (None, THIS_RUN) else None
    expected = (
        f"expected {THIS_RUN}, or the path of the calibration.csv of another run with the same ensemble"
    )
    return [f"calibration.file: {file}: {problem}; {expected}"] if problem else []


def look_problems(configuration: Any, root: Path) -> list[str]:
    """Why the file `unlike_training.look` of an otherwise valid configuration is not available."""
    look = configuration.unlike_training.look
    if look is None:
        return []
    if look == THIS_RUN:
        try:
            first = configuration.first_member
        except KeyError:
            # Members that do not exist are reported with the other references.
            return []
        # Without a member that predicts fields, that is the problem.
        if first is None or configuration.models[first.model].stages[first.stage].datasets:
            return []
        return [
            f"unlike_training.look: {look} needs training fields, but models.{first.model}.stages.{first.stage} has no "
            "data sets; name the look.safetensors of the run that made its weights"
        ]
    problem = file_problem(root / look)
    expected = f"expected {THIS_RUN}, or the path of the look.safetensors of the run that made the weights"
    return [f"unlike_training.look: {look}: {problem}; {expected}"] if problem else []


def class_problems(configuration: Any, root: Path) -> list[str]:
    """Problems of the class table, and classes named in the configuration that are not in it."""
    try:
        names = read_classes(root / configuration.classes)
    except ClassTableError as error:
        return [f"classes: {line}" for line in str(error).splitlines()]
    problems = call_name_problems(names) if configuration.calibration.file is not None else []
    if configuration.negative is not None and configuration.negative not in names:
        problems.append(
            f"negative: no class {configuration.negative!r}{nearest(configuration.negative, names)}"
        )
    if configuration.negative is None:
        problems += [f"ensemble.{line}" for line in configuration.ensemble.needs_negative()]
    try:
        configuration.ensemble.with_indices(names)
    except ValueError as error:
        problems += [f"ensemble.{line}" for line in str(error).splitlines()]
    problems += cam_problems(configuration.cams, names, configuration.datasets)
    return [*problems, *grade_class_problems(configuration.grades, names)]


def size_problems(configuration: Any) -> list[str]:
    """Stages to be trained on larger fields than those of the store, or to read crops of cells that do not fit."""
    problems = []
    step2 = configuration.step2
    readers = {(member.model, member.stage) for member in configuration.ensemble.members if member.step == 2}
    for model_name, model in configuration.models.items():
        for stage_name, stage in model.stages.items():
            if stage.checkpoints is not None:
                continue
            training = configuration.stage_training(model_name, stage_name)
            if step2.scale == "fixed" and (stage.kind == "cells" or (model_name, stage_name) in readers):
                problem = crop_problem(step2.crop, training.network.output_stride)
                if problem:
                    problems.append(f"step2.crop: for models.{model_name}.stages.{stage_name}: {problem}")
            size = training.input.field_size
            if size > configuration.ingest.size:
                problems.append(
                    f"models.{model_name}.stages.{stage_name}: input.field_size {size} is more than ingest.size "
                    f"{configuration.ingest.size}, the side of a stored field; lower it or raise ingest.size"
                )
    return problems

"""Checks of the section `fields` and of other thresholds: classes, numbers of thresholds, files, sources."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from puzzlecell.config.class_table import ClassTableError, read_classes
from puzzlecell.config.messages import nearest
from puzzlecell.regular_file import file_problem


def field_problems(configuration: Any, root: Path, *, files: bool = True) -> list[str]:
    """Problems of the answer per field in an otherwise valid configuration. files: whether a missing file is one."""
    try:
        names = read_classes(root / configuration.classes)
    except ClassTableError:
        # Reported with the class table.
        return []
    settings = configuration.fields
    problems = [
        f"classes: {configuration.classes}: the name {name!r} contains a semicolon, which separates the classes of a "
        "field in results/fields; choose another"
        for name in names
        if ";" in name
    ]
    if settings.fill is not None and settings.fill not in names:
        problems.append(f"fields.fill: no class {settings.fill!r}{nearest(settings.fill, names)}")
    for key, given in (
        ("fields.thresholds", settings.thresholds),
        ("fields.cells.thresholds", settings.cells.thresholds),
        ("variability.thresholds", configuration.variability.thresholds),
    ):
        if isinstance(given, tuple) and len(given) != len(names):
            problems.append(f"{key}: {len(given)} thresholds, but there are {len(names)} classes")
    path = settings.threshold_file
    problem = file_problem(root / path) if files and path is not None else None
    if problem:
        problems.append(f"fields.thresholds: {path}: {problem}")
    ready = ready_members(configuration) if settings.out_of_fold else []
    if ready:
        problems.append(
            f"fields.thresholds: {settings.thresholds} needs out-of-fold predictions, but {', '.join(ready)} has ready "
            "weights; give numbers, or the thresholds.csv that came with the weights"
        )
    return problems


def ready_members(configuration: Any) -> Sequence[str]:
    """Names of the ensemble's stages that predict fields with ready weights, so that none are predicted out of fold."""
    return list(
        dict.fromkeys(
            f"models.{model}.stages.{stage}"
            for model, stage in configuration.member_stages("fields")
            if configuration.models[model].stages[stage].checkpoints is not None
        )
    )

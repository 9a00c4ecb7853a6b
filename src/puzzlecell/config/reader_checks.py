"""Checks of models that are not trained here: members and teachers that name them, their files, and the settings that
need predictions of whole fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.export import PREDICTED
from puzzlecell.config.messages import nearest
from puzzlecell.config.readers import READ_STAGE
from puzzlecell.regular_file import file_problem


def lacks_stages(model: Any) -> bool:
    """Whether a model, as unvalidated values, comes from elsewhere: it has no stages, but `cells` or a `table`."""
    return (
        isinstance(model, Mapping)
        and not model.get("stages")
        and any(model.get(key) is not None for key in ("cells", "table"))
    )


def named_stage(given: Mapping[str, Any], model: Any) -> tuple[Any, Any]:
    """Unvalidated stage and step that a member or teacher names; a model without stages has but one of each."""
    if lacks_stages(model):
        return given.get("stage", READ_STAGE), given.get("step", 2)
    return given.get("stage"), given.get("step")


def naming_problems(place: str, given: Mapping[str, Any], owner: str, model: Any) -> Iterator[str]:
    """Why `stage` and `step` of a member or teacher do not go with a model: absent, or other than the only ones."""
    if not lacks_stages(model):
        for key in ("stage", "step"):
            if key not in given:
                yield f"{place}.{key}: this key is required, but missing"
        return
    stage, step = named_stage(given, model)
    if stage != READ_STAGE:
        yield f"{place}.stage: the model {owner} has no stages; found {stage!r}, remove this key"
    if step != 2:
        yield f"{place}.step: the model {owner} reads cells one by one; found {step!r}, remove this key"


def seen_elsewhere_problem(configuration: Any, model: str, dataset: str) -> str | None:
    """Why predictions of a model from elsewhere for a data set may be for fields that it was trained on."""
    seen = configuration.models[model].seen
    if seen is None:
        return (
            f"models.{model} comes from elsewhere, and it is not known whether it was trained on fields of {dataset}; "
            f"name the data sets that it has seen in models.{model}.seen, [] for none"
        )
    if dataset in seen:
        return (
            f"models.{model} was trained on fields of {dataset} (models.{model}.seen), so it has no predictions for "
            f"{dataset} by a network that has not seen them"
        )
    return None


def seen_name_problems(models: Mapping[str, Any], datasets: Mapping[str, Any]) -> Iterator[str]:
    """Data sets in `seen`, as unvalidated values, that do not exist."""
    for model, given in models.items():
        names = given.get("seen") if isinstance(given, Mapping) else None
        for name in names if isinstance(names, list) else []:
            if name not in datasets:
                yield f"models.{model}.seen: no data set {name!r}{nearest(str(name), datasets)}"


def table_path(pattern: str, dataset: str) -> str:
    """Path of the table of a data set."""
    return pattern.replace("{ds}", dataset)


def table_pattern_problem(pattern: str, datasets: Sequence[str]) -> str | None:
    """Say what is wrong with a path of tables, in which `{ds}` is the only placeholder.

    datasets: those that need a table; a path without a placeholder is that of a single one.
    """
    if any(brace in pattern.replace("{ds}", "") for brace in "{}"):
        return f"the path {pattern} has braces other than those of {{ds}}, the only placeholder"
    if "{ds}" not in pattern and len(datasets) > 1:
        return (
            f"the path {pattern} has no {{ds}} in it, which stands for the name of the data set, but there are "
            f"{', '.join(datasets)}"
        )
    return None


def table_problems(configuration: Any, root: Path) -> list[str]:
    """Paths of tables of an otherwise valid configuration that are wrong, and missing tables."""
    needed = configuration.datasets_of(*PREDICTED)
    found = []
    for name, model in configuration.models.items():
        if model.table is None or name not in configuration.members_without_stages():
            continue
        problem = table_pattern_problem(model.table, needed)
        missing = {table_path(model.table, ds): ds for ds in needed} if problem is None else {}
        problems = [
            (f"{path}: {text}", ds) for path, ds in missing.items() if (text := file_problem(root / path))
        ]
        found += [f"models.{name}.table: {problem}"] if problem else []
        found += [
            f"models.{name}.table: {text}; expected the table of the data set {ds}" for text, ds in problems
        ]
    return found


def reader_file_problems(configuration: Any, root: Path) -> list[str]:
    """Missing files of models that are not trained here, in an otherwise valid configuration."""
    return [
        *table_problems(configuration, root),
        *_missing_weights(configuration, root),
    ]


def _missing_weights(configuration: Any, root: Path) -> list[str]:
    return [
        f"models.{name}.cells.{key}: {path}: {problem}"
        for name, model in configuration.models.items()
        if model.cells is not None
        for key in ("weights", "locations")
        for path in [getattr(model.cells, key)]
        for problem in [file_problem(root / path)]
        if problem
    ]


def unanswered_problems(
    ensemble: EnsembleSettings, model: str, unanswered: Sequence[int], names: Sequence[str]
) -> list[str]:
    """Classes that a model from elsewhere does not know, but in which its member has a say beside other models.

    unanswered: indices of classes without a location. Their probabilities are 0, which would count as an answer.
    """
    found = []
    for number, member in enumerate(ensemble.members):
        weights = {int(index): weight for index, weight in member.classes.items()}
        say = [
            names[index]
            for index in unanswered
            if member.model == model and weights.get(index, member.weight)
        ]
        if say and any(other.model != model for other in ensemble.members):
            found.append(
                f"no location belongs to {', '.join(say)}, so the probability would be 0; add locations, or leave the "
                f"answer to the other members with ensemble.members.{number}.classes: "
                f"{{{', '.join(f'{name}: 0' for name in say)}}}"
            )
    return found


def whole_field_problems(configuration: Any) -> list[str]:
    """Settings of a valid configuration that need predictions of whole fields, if no member of the ensemble has any."""
    if configuration.first_member is not None:
        return []
    fusion = configuration.ensemble.image_fusion
    wanted = {
        "ensemble.image_fusion.source: image": fusion is not None and fusion.source == "image",
        "unlike_training.look": configuration.unlike_training.look is not None,
        "fields.thresholds": configuration.fields.out_of_fold,
    }
    return [
        f"{key}: this needs predictions of whole fields, but no member of the ensemble makes them; add a member "
        "whose stage is of the kind fields, or remove this setting"
        for key, found in wanted.items()
        if found
    ]

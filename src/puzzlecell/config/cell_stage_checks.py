"""Checks of stages that are trained on crops of cells: their keys, teachers and data sets."""

from collections.abc import Iterator, Mapping
from typing import Any

from puzzlecell.config.cell_stage import ROUND
from puzzlecell.config.messages import nearest
from puzzlecell.config.models import mapping
from puzzlecell.config.reader_checks import lacks_stages, named_stage, naming_problems, seen_elsewhere_problem

Node = tuple[str, str]
"""A model and a stage."""
OF_CELLS = ("learns_from", "labels", "targets", "rounds", "transductive")
"""Keys that only stages of the kind `cells` have."""
OF_PREDICTED = ("learns_from", "targets", "rounds", "transductive")
"""Keys of these that only stages with the labels `predicted` have."""


def cell_stage_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Problems of all stages and ensemble members. Works on unvalidated values, so that all are reported at once."""
    models = mapping(values, "models")
    for model in models:
        stages = mapping(mapping(models, model), "stages")
        for name, stage in stages.items():
            place = f"models.{model}.stages.{name}"
            if not isinstance(stage, Mapping):
                continue
            if stage.get("kind") == "cells":
                yield from _key_problems(place, stage)
                yield from _teacher_problems(place, stage, model, models)
                yield from _round_problems(place, name, stage, stages)
            else:
                for key in OF_CELLS:
                    if key in stage:
                        yield f"{place}.{key}: only a stage with `kind: cells` has this key; add it, or remove {key}"
    yield from _circles(models)
    yield from _member_problems(values)


def dataset_role_problem(name: str, role: Any, stage: Mapping[str, Any]) -> str | None:
    """Why a stage must not be trained on a data set with this role; None if it may."""
    cells = stage.get("kind") == "cells"
    if role in ("train", "additional") or (cells and role == "unlabelled"):
        return None
    if role == "unlabelled":
        return (
            f"{name} has the role unlabelled; only stages with `kind: cells` learn from fields without labels"
        )
    if cells and role == "test" and stage.get("labels", "predicted") == "predicted":
        if stage.get("transductive") is True:
            return None
        return (
            f"{name} has the role test. The labels of test sets are never used; to learn from predictions for its "
            "fields, set `transductive: true`, and say so wherever a score on them is reported"
        )
    others = ", additional or unlabelled" if cells else " or additional"
    return f"{name} has the role {role}; only data sets with the role train{others} are used for training"


def _key_problems(place: str, stage: Mapping[str, Any]) -> Iterator[str]:
    if stage.get("labels", "predicted") == "graded":
        for key in OF_PREDICTED:
            if stage.get(key) and stage[key] != 1:
                yield f"{place}.{key}: a stage with `labels: graded` learns from grades alone; remove {key}"
        if stage.get("transductive"):
            yield f"{place}.transductive: a stage with `labels: graded` never learns from a test set; remove it"
    elif not stage.get("learns_from") and stage.get("checkpoints") is None:
        yield (
            f"{place}.learns_from: no teacher is named; name at least one, such as `{{stage: stage2, step: 2}}`, or "
            "set `labels: graded`"
        )


def _teachers(stage: Any) -> list[Mapping[str, Any]]:
    given = stage.get("learns_from") if isinstance(stage, Mapping) else None
    return [teacher for teacher in given if isinstance(teacher, Mapping)] if isinstance(given, list) else []


def _teacher_problems(
    place: str, stage: Mapping[str, Any], model: str, models: Mapping[str, Any]
) -> Iterator[str]:
    """Teachers that are undefined or named twice, or whose maps were never trained on fields."""
    seen: dict[tuple[str, ...], int] = {}
    for number, teacher in enumerate(_teachers(stage)):
        here = f"{place}.learns_from.{number}"
        owner, name = teacher.get("model") or model, teacher.get("stage")
        if not isinstance(owner, str) or owner not in models:
            yield f"{here}.model: no model {owner!r}{nearest(str(owner), models)}"
            continue
        given, stages = models[owner], mapping(mapping(models, owner), "stages")
        name, step = named_stage(teacher, given)
        yield from naming_problems(here, teacher, owner, given)
        known = isinstance(name, str) and name in stages
        if "stage" in teacher and not lacks_stages(given) and not known:
            yield f"{here}.stage: model {owner} has no stage {name!r}{nearest(str(name), stages)}"
            continue
        if step == 1 and mapping(stages, str(name)).get("kind") == "cells":
            yield f"{here}.step: {_never_on_fields(str(name))}"
        same = (owner, str(name), str(step))
        if same in seen:
            yield (
                f"{here}: the same model, stage and step as {place}.learns_from.{seen[same]}; give one teacher a "
                "larger weight instead"
            )
        seen.setdefault(same, number)


def _never_on_fields(stage: str) -> str:
    return (
        f"the stage {stage} is of the kind cells, and its maps were never trained on whole fields; expected step 2, "
        "which classifies crops of cells"
    )


def _round_problems(
    place: str, name: str, stage: Mapping[str, Any], stages: Mapping[str, Any]
) -> Iterator[str]:
    rounds = stage.get("rounds")
    if isinstance(rounds, int) and rounds > 1:
        for earlier in round_names(name, rounds):
            if earlier in stages:
                yield (
                    f"{place}.rounds: the earlier rounds are called {name}{ROUND}1, ..., but there is a stage "
                    f"{earlier} already; rename it"
                )


def round_names(stage: str, rounds: int) -> list[str]:
    """Names of the earlier rounds of a stage; its last round has the name of the stage itself."""
    return [f"{stage}{ROUND}{number}" for number in range(1, rounds)]


def _circles(models: Mapping[str, Any]) -> Iterator[str]:
    """Stages that learn from themselves, by way of what they and their teachers start and learn from."""
    nodes = [(model, stage) for model in models for stage in mapping(mapping(models, model), "stages")]
    told: set[frozenset[Node]] = set()
    for node in nodes:
        for path in _ways_back(models, node):
            if frozenset(path) not in told:
                told.add(frozenset(path))
                names = " <- ".join(f"{model}.{stage}" for model, stage in [*path, node])
                yield (
                    f"models.{node[0]}.stages.{node[1]}.learns_from: the stages learn from each other in a circle: "
                    f"{names}"
                )


def _ways_back(models: Mapping[str, Any], node: Node) -> Iterator[list[Node]]:
    """Yield cycles from a stage to itself that include a teacher; cycles of `start` only are reported elsewhere."""
    waiting = [([node], False)]
    visited: set[tuple[Node, bool]] = set()
    while waiting:
        path, taught = waiting.pop()
        for after, by_teacher in _made_from(models, path[-1]):
            if after == node and (taught or by_teacher):
                yield path
                return
            if (after, taught or by_teacher) not in visited:
                visited.add((after, taught or by_teacher))
                waiting.append(([*path, after], taught or by_teacher))


def _made_from(models: Mapping[str, Any], node: Node) -> Iterator[tuple[Node, bool]]:
    """Stages that a stage starts and learns from, and whether they teach it."""
    model, stage = node
    given = mapping(mapping(mapping(models, model), "stages"), stage)
    if isinstance(given.get("start"), str):
        yield (model, given["start"]), False
    for teacher in _teachers(given):
        owner, name = teacher.get("model") or model, teacher.get("stage")
        if isinstance(owner, str) and isinstance(name, str):
            yield (owner, name), True


def _member_problems(values: Mapping[str, Any]) -> Iterator[str]:
    """Members whose maps were never trained on fields, and ensembles of pupils alone."""
    models = mapping(values, "models")
    members = mapping(values, "ensemble").get("members")
    kinds = []
    for number, member in enumerate(members if isinstance(members, list) else []):
        if not isinstance(member, Mapping):
            return
        if lacks_stages(mapping(models, str(member.get("model")))):
            kinds.append(False)
            continue
        stages = mapping(mapping(models, str(member.get("model"))), "stages")
        cells = mapping(stages, str(member.get("stage"))).get("kind") == "cells"
        kinds.append(cells)
        if cells and member.get("step") != 2:
            yield f"ensemble.members.{number}.step: {_never_on_fields(str(member.get('stage')))}"
    if kinds and all(kinds):
        yield (
            "ensemble.members: all are stages of the kind cells, which predict no whole fields; the answer per field, "
            "ensemble.image_fusion with the source image and unlike_training need at least one member of a stage of "
            "the kind fields"
        )


def seen_problems(configuration: Any) -> Iterator[str]:
    """Teachers of an otherwise valid configuration that have no out-of-fold predictions for what they are to teach."""
    for model, given in configuration.models.items():
        for name, stage in given.stages.items():
            if stage.checkpoints is not None:
                continue
            place = f"models.{model}.stages.{name}"
            roles = [configuration.datasets[ds].role for ds in stage.datasets]
            if stage.kind == "cells" and not {"train", "additional"} & set(roles):
                yield (
                    f"{place}.datasets: none has the role train or additional; the best weights are chosen on held-out "
                    "fields with labels, so name at least one"
                )
            for number, teacher in enumerate(configuration.teachers(model, name)):
                yield from _seen_by_teacher(f"{place}.learns_from.{number}", stage, teacher, configuration)


def _seen_by_teacher(place: str, stage: Any, teacher: Any, configuration: Any) -> Iterator[str]:
    if not configuration.has_stages(teacher.model):
        problems = (seen_elsewhere_problem(configuration, teacher.model, ds) for ds in stage.datasets)
        yield from (f"{place}: {problem}" for problem in problems if problem)
        return
    own = configuration.held_out_sets(teacher.model, teacher.stage)
    who = f"{teacher.model}.{teacher.stage}"
    if not own:
        yield (
            f"{place}: {who} has ready weights and names no data sets, so it is not known which fields it has seen; "
            f"name them in models.{teacher.model}.stages.{teacher.stage}.datasets"
        )
    seen = configuration.seen_sets(teacher.model, teacher.stage)
    for ds in stage.datasets:
        if ds in seen and ds not in own and configuration.datasets[ds].labelled:
            yield (
                f"{place}: {who} starts or learns from a stage that was trained on {ds}, but is not trained on it "
                f"itself, so it has no out-of-fold predictions for {ds}; add {ds} to its data sets, or choose another "
                "teacher"
            )

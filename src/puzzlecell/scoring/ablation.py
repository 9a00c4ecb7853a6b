"""Ablation of the choices made after training: score the trained models with one setting changed at a time."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings, TtaSettings
from puzzlecell.data.fields import Images
from puzzlecell.data.rle import masks_of
from puzzlecell.data.submission_file import read_submission
from puzzlecell.data.tables import read_parquet, write_csv
from puzzlecell.ensemble.combine import ensemble_cells, mean_table
from puzzlecell.inference.predict import Paths, open_shards
from puzzlecell.inference.step1 import step1_tables
from puzzlecell.inference.step2 import step2_table
from puzzlecell.runtime.progress import Progress, no_progress
from puzzlecell.scoring.average_precision import score_tables
from puzzlecell.scoring.baselines import compared_tables

ALL_VIEWS = TtaSettings(flip=True, rotate=True)
AnyPath = str | os.PathLike


@dataclass(frozen=True)
class AblationData:
    """A data set with ground truth, and the models to predict it with.

    store, masks: shards; cells: cell tables (Parquet) of the shards; truth: ground-truth CSV. models: fold models of
    each (model, stage); of_cells: those that predict no fields. read: the tables, one per shard, of members that are
    not trained here, which no setting of the steps changes. negative: index of the class Negative, None if there is
    none. images: where the raw fields are, for `step2.source: raw`.
    """

    store: Paths
    masks: Paths
    cells: Sequence[AnyPath]
    truth: AnyPath
    models: Mapping[tuple[str, str], Sequence[AnyPath]]
    negative: int | None
    images: Images | None = None
    of_cells: Collection[tuple[str, str]] = ()
    read: Mapping[tuple[str, str], Sequence[AnyPath]] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """Tables by (model, stage): cells by step 1, cells by step 2, and whole fields."""

    step1: dict[tuple[str, str], pd.DataFrame]
    step2: dict[tuple[str, str], pd.DataFrame]
    images: dict[tuple[str, str], pd.DataFrame]


def step1_changes(settings: Step1Settings) -> dict[str, Step1Settings]:
    """Variants of the step 1 settings with one setting changed, by name of the change."""
    other = "scores" if settings.average == "maps" else "maps"
    return {
        f"average {other}": settings.model_copy(update={"average": other}),
        "every class of every cell": settings.model_copy(
            update={"probability_floor": 0.0, "keep_ratio": 0.0, "max_classes": "all"}
        ),
    }


def step2_changes(settings: Step2Settings) -> dict[str, Step2Settings]:
    """Variants of the step 2 settings with one setting changed, by name of the change."""
    choices = {
        "scale": ("fixed", "enlarged"),
        "mask": ("none", "others", "outside"),
        "pool": ("cell", "canvas"),
        "padding": ("black", "field"),
        "margin": (0.0, 0.05, 0.25),
        "canvas": ("same", "fitted"),
    }
    return {
        f"{key} {value}": settings.model_copy(update={key: value})
        for key, values in choices.items()
        for value in values
        if value != getattr(settings, key)
    }


def ensemble_changes(
    settings: EnsembleSettings, negative: int | None, *, images: bool = True
) -> dict[str, EnsembleSettings]:
    """Variants of the ensemble settings with one setting changed, by name of the change.

    images: whether there are probabilities of whole fields.
    """
    given = settings.model_dump()
    fusions = {
        "off": None,
        "cells mean 0.7": {"source": "cells", "how": "mean", "weight": 0.7},
        "image mean 0.7": {"source": "image", "how": "mean", "weight": 0.7},
        "image product 0.5": {"source": "image", "how": "product", "weight": 0.5},
        "image product 0.7": {"source": "image", "how": "product", "weight": 0.7},
    }
    fusions = {name: fusion for name, fusion in fusions.items() if images or not name.startswith("image ")}
    has_step2 = any(member.step == 2 for member in settings.members)
    plain = [{**member, "classes": {}} for member in given["members"]]
    choices: dict[str, dict[str, Any]] = {
        "members": {"without class weights": plain},
        "combine": {name: name for name in ("mean", "product")},
        "image_fusion": fusions,
        "negative": {
            name: name
            for name in ("own", "mean", "step2", "one_minus_max", "min_complement")
            if negative is not None and (name != "step2" or has_step2)
        },
        "suppress_by_negative": {f"{power:g}": power for power in (0.0, 0.5, 1.0) if negative is not None},
        "border_quality": {"on": True, "off": False},
        "outlier_quality": {"on": True, "off": False},
        "max_classes": {str(limit): limit for limit in ("all", "all_but_one", 4)},
        "threshold": {"0": 0.0, "0.1": 0.1},
    }
    changed = {
        f"{key} {name}": EnsembleSettings(**{**given, key: value})
        for key, values in choices.items()
        for name, value in values.items()
    }
    for step in (1, 2):
        members = [member for member in plain if member["step"] == step]
        if members:
            # The other step may be the one that Negative is read from.
            own = {"negative": "own"} if given["negative"] == "step2" and step == 1 else {}
            changed[f"only step {step}"] = EnsembleSettings(**{**given, "members": members, **own})
    return {name: value for name, value in changed.items() if value != settings}


def write_ablation(
    path: AnyPath,
    data: AblationData,
    *,
    step1: Step1Settings,
    step2: Step2Settings,
    ensemble: EnsembleSettings,
    score: ScoreSettings,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Write the ablation table of `ablation_table` as CSV."""
    table = ablation_table(
        data, step1, step2, ensemble, score, device=device, threads=threads, progress=progress
    )
    write_csv(path, table, digits=4)


def ablation_table(
    data: AblationData,
    step1: Step1Settings,
    step2: Step2Settings,
    ensemble: EnsembleSettings,
    score: ScoreSettings,
    *,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Return `prediction, change, tta, mean_ap, low, high, present`, one row per variant.

    `mean_ap` counts the detections of all classes, `present` only those of classes present in the field. The first rows
    are the configured run, without test-time augmentation and with all eight views; then comes each change on its own.
    A change to a step has one row for that step and one for the ensemble.
    progress: called with the number of passes over the data done and the total.
    """
    plain = step1.model_copy(update={"tta": TtaSettings()}), step2.model_copy(update={"tta": TtaSettings()})
    turned = step1.model_copy(update={"tta": ALL_VIEWS}), step2.model_copy(update={"tta": ALL_VIEWS})
    ones = step1_changes(plain[0]) if set(data.models) - set(data.of_cells) else {}
    twos = step2_changes(plain[1]) if _read_in_step2(data, ensemble) else {}
    total, done = 2 + len(ones) + len(twos), 0

    def predicted(one: Step1Settings | None, two: Step2Settings | None) -> Predictions:
        nonlocal done
        result = predict_all(data, one, two, device, threads)
        done += 1
        progress(done, total)
        return result

    cells = pd.concat([read_parquet(path) for path in data.cells], ignore_index=True)
    configured = predicted(*plain)
    tables: dict[tuple[str, str, bool], pd.DataFrame] = {}
    for predictions, tta in ((configured, False), (predicted(*turned), True)):
        for name, table in compared(cells, predictions, ensemble, data.negative).items():
            tables[name, "", tta] = table
    changes: dict[tuple[str, str], Predictions] = {}
    for name, one in ones.items():
        changes["step1", name] = replace(configured, step1=predicted(one, None).step1)
    for name, two in twos.items():
        changes["step2", name] = replace(configured, step2=predicted(None, two).step2)
    for (step, name), changed in changes.items():
        found = compared(cells, changed, ensemble, data.negative)
        if step in found:
            tables[step, name, False] = found[step]
        tables["ensemble", f"{step} {name}", False] = found["ensemble"]
    of_ensemble = ensemble_changes(ensemble, data.negative, images=bool(configured.images))
    for name, settings in of_ensemble.items():
        tables["ensemble", name, False] = joined(cells, configured, settings, data.negative)
    return scored(tables, data, score)


def _read_in_step2(data: AblationData, ensemble: EnsembleSettings) -> bool:
    """Whether settings of step 2 can change anything: not if all its members are models from elsewhere."""
    read = [(member.model, member.stage) for member in ensemble.members if member.step == 2]
    return bool(data.models) and (not read or any(names in data.models for names in read))


def predict_all(
    data: AblationData, step1: Step1Settings | None, step2: Step2Settings | None, device: str, threads: int
) -> Predictions:
    """Predict with every model and stage, by the steps whose settings are given."""
    result = Predictions({}, {}, {})
    if step2 is not None:
        result.step2.update(
            {
                key: pd.concat([read_parquet(path) for path in paths], ignore_index=True)
                for key, paths in data.read.items()
            }
        )
    for key, models in data.models.items():
        if step1 is not None and key not in data.of_cells:
            result.step1[key], result.images[key] = step1_tables(
                data.store,
                data.masks,
                models,
                step1,
                negative=data.negative,
                device=device,
                threads=threads,
            )
        if step2 is not None:
            result.step2[key] = step2_table(
                data.store,
                data.masks,
                models,
                step2,
                images=data.images,
                device=device,
                threads=threads,
            )
    return result


def joined(
    cells: pd.DataFrame, predictions: Predictions, settings: EnsembleSettings, negative: int | None
) -> pd.DataFrame:
    """Ensemble of the members named in the settings."""
    images = _images(predictions)
    weighted = [(table, member.weight) for member, table in _members(predictions, settings)]
    return ensemble_cells(cells, weighted, images, settings, negative=negative)


def compared(
    cells: pd.DataFrame, predictions: Predictions, settings: EnsembleSettings, negative: int | None
) -> dict[str, pd.DataFrame]:
    """Return the tables `broadcast`, `step1`, `step2` and `ensemble`, as in the score of a run."""
    images = _images(predictions)
    answer = joined(cells, predictions, settings, negative)
    return compared_tables(answer, _members(predictions, settings), images)


def scored(
    tables: Mapping[tuple[str, str, bool], pd.DataFrame], data: AblationData, settings: ScoreSettings
) -> pd.DataFrame:
    """Score the tables, with and without detections of classes that are absent from a field."""
    masks, truth = open_shards(data.masks), read_submission(data.truth)
    results = {}
    for reading in ("all", "present"):
        chosen = settings.model_copy(update={"detections": reading})
        with masks_of(data.truth):
            results[reading] = score_tables(tables, masks.get, truth, chosen)
    rows = [
        (*key, result.mean, result.low, result.high, results["present"][key].mean)
        for key, result in results["all"].items()
    ]
    return pd.DataFrame(rows, columns=["prediction", "change", "tta", "mean_ap", "low", "high", "present"])


def _images(predictions: Predictions) -> pd.DataFrame | None:
    """Mean probabilities of the fields; None if no model predicts them."""
    tables = [(table, 1.0) for table in predictions.images.values()]
    return mean_table(tables) if tables else None


def _members(predictions: Predictions, settings: EnsembleSettings) -> list:
    by_step = {1: predictions.step1, 2: predictions.step2}
    return [(member, by_step[member.step][member.model, member.stage]) for member in settings.members]

"""The settings that a bundle carries, and the configuration that a run with a bundle has.

Imports nothing heavy: `puzzlecell predict` starts with it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from puzzlecell.config.workflow import Configuration
from puzzlecell.errors import UserError

AnyPath = str | os.PathLike
OF_THE_RUN = frozenset(
    {
        "classes",
        "negative",
        "seed",
        "gpu",
        "datasets",
        "folds",
        "training",
        "models",
        "score",
        "member_choice",
        "bundle",
        "view",
    }
)
"""Sections that say what a run is made from; all others say how fields become answers, and a bundle carries them."""
CALIBRATION = "calibration.csv"
CARRIED = {
    "look.safetensors": ("unlike_training", "look"),
    "thresholds.csv": ("fields", "thresholds"),
    CALIBRATION: ("calibration", "file"),
}
"""Files that a bundle may carry, and the keys of the configuration that name them, left out without the file."""
CLASSES, LICENCE, README = "classes.csv", "LICENCE.txt", "README.md"


def weight_file(model: str, stage: str, fold: int | str) -> str:
    """Path of the weights of a fold in a bundle; also with `{fold}`."""
    return f"weights/{model}/{stage}/fold{fold}.safetensors"


def member_stages(settings: Configuration) -> list[tuple[str, str]]:
    """Distinct (model, stage) pairs of the ensemble members."""
    return settings.member_stages()


def weight_sources(settings: Configuration, weights: Sequence[AnyPath]) -> dict[str, AnyPath]:
    """Path in the bundle -> source of the weights, which come fold by fold for each stage of the ensemble in turn."""
    names = [
        weight_file(*stage, fold)
        for stage in member_stages(settings)
        for fold in range(1, settings.folds.count + 1)
    ]
    return dict(zip(names, weights, strict=True))


def segmenter_files(settings: Configuration) -> dict[str, tuple[str, str]]:
    """Weights that the segmenter reads: key of its section -> (path in the bundle, source).

    Raises UserError for weights that are no safetensors, which a bundle must not contain.
    """
    chosen = settings.segmentation.chosen
    files = chosen.weight_files()
    keys = {value: key for key, value in chosen if isinstance(value, str) and value in files}
    pickles = [path for path in files if not path.endswith(".safetensors")]
    if pickles:
        raise UserError(
            f"segmentation.{settings.segmentation.method}: {pickles[0]}: a bundle carries weights as safetensors only; "
            "use the segmenter hpa_dpn with converted weights (`puzzlecell convert-segmenter`), or another one"
        )
    return {keys[path]: (f"segmenter/{Path(path).name}", path) for path in files}


def carried_settings(settings: Configuration, classes: Sequence[str]) -> dict[str, Any]:
    """Sections of the configuration that a bundle carries, complete, with classes by name.

    Of the segmenters, only the chosen one and the sections that it reads are kept. Raises as `segmenter_files`.
    """
    found = _sections(settings, classes)
    for key, (name, _) in segmenter_files(settings).items():
        found["segmentation"][settings.segmentation.method][key] = name
    return found


def _sections(settings: Configuration, classes: Sequence[str]) -> dict[str, Any]:
    found = settings.model_dump(mode="json", exclude=set(OF_THE_RUN))
    ensemble = found["ensemble"]
    fusion = ensemble["image_fusion"] or {}
    by_class = [(ensemble, "class_thresholds"), *((member, "classes") for member in ensemble["members"])]
    if fusion:
        fusion["except_classes"] = [classes[int(index)] for index in fusion["except_classes"]]
        by_class.append((fusion, "class_weights"))
    for values, key in by_class:
        values[key] = {classes[int(index)]: value for index, value in values[key].items()}
    section = settings.segmentation
    kept = {section.method, *section.chosen.also_reads}
    others = {"labelling", *section.segmenters()} - kept
    found["segmentation"] = {key: value for key, value in found["segmentation"].items() if key not in others}
    for name, key in CARRIED.values():
        found.get(name, {}).pop(key, None)
    return found


def bundle_state(settings: Configuration, classes: Sequence[str]) -> dict[str, str]:
    """Settings that a bundle depends on, besides the files in it: key -> value as text."""
    own = {"bundle": settings.bundle.model_dump(mode="json"), "negative": settings.negative}
    return dict(_flat({**own, **_sections(settings, classes)}))


def _flat(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", json.dumps(value)


def implied_configuration(
    manifest: Mapping[str, Any],
    model_folder: str,
    datasets: Mapping[str, Any],
    *,
    segmenter: str | None = None,
) -> dict[str, Any]:
    """Configuration of a run that predicts data sets with a bundle.

    model_folder: folder of the bundle, relative to that of the run. datasets: entries of `datasets`. segmenter: name of
    one to use in place of the bundle's, with its default settings. Raises UserError if the bundle's segmenter reads the
    user's own label images and no other is given.
    """
    settings = {key: dict(value) for key, value in manifest["settings"].items()}
    segmentation = settings["segmentation"]
    if segmenter is not None and segmenter != segmentation["method"]:
        kept = {key: segmentation[key] for key in ("source", "size", "quality") if key in segmentation}
        settings["segmentation"] = {"method": segmenter, **kept}
    elif segmentation["method"] == "masks":
        raise UserError(
            "the model was made with label images of the user (segmentation.method: masks), which a bundle does not "
            "carry; add --segmenter classical, or the name of another segmenter"
        )
    else:
        method = segmentation["method"]
        own = dict(segmentation[method])
        for key, value in own.items():
            if isinstance(value, str) and value.startswith("segmenter/"):
                own[key] = f"{model_folder}/{value}"
        settings["segmentation"] = {**segmentation, method: own}
    for name, place in manifest["carried"].items():
        settings.setdefault(place[0], {})[place[1]] = f"{model_folder}/{name}"
    return {
        "classes": f"{model_folder}/{CLASSES}",
        "negative": manifest["negative"],
        "gpu": "auto",
        "datasets": dict(datasets),
        "folds": {"count": manifest["folds"]},
        "models": _ready_models(manifest["members"], model_folder),
        **settings,
    }


def _ready_models(members: Iterable[Mapping[str, Any]], model_folder: str) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for member in members:
        stages = models.setdefault(member["model"], {"stages": {}})["stages"]
        path = weight_file(member["model"], member["stage"], "{fold}")
        stages[member["stage"]] = {"checkpoints": f"{model_folder}/{path}"}
        if member.get("kind") == "cells":
            stages[member["stage"]]["kind"] = "cells"
    return models

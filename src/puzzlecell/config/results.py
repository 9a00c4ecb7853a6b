"""The settings that each result depends on, which decide what a changed setting rebuilds.

Both the rule parameters that Snakemake compares and the fingerprint of a training checkpoint are derived from here.
Settings that affect no result are marked with `NO_EFFECT` where they are declared.
"""

import json

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from puzzlecell.config.class_table import read_classes
from puzzlecell.config.naming import Layout
from puzzlecell.config.workflow import Configuration

Deciding = dict[str, str]
"""Dotted key of a setting -> its value as text."""
HOLDING_OUT = ("grades.held_out", "grades.seed")
"""Settings that decide which graded cells are held out, and nothing else about them."""

HELD_OUT = ("holdout", "test")
"""Roles of data sets that are composed of other cells than the training sets (`simulate.cells_from`)."""


def deciding(section: BaseModel, key: str) -> Deciding:
    """All settings of a section, including nested sections, that affect a result."""
    found: Deciding = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            found |= deciding(value, f"{key}.{name}")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for number, entry in enumerate(value):
                found |= deciding(entry, f"{key}.{name}.{number}")
        elif decides(field):
            found[f"{key}.{name}"] = json.dumps(value)
    return found


def decides(field: FieldInfo) -> bool:
    """Whether changing the setting changes results."""
    extra = field.json_schema_extra
    return not isinstance(extra, dict) or bool(extra.get("changes_result", True))


def simulation(settings: Configuration, dataset: str) -> Deciding:
    """Settings that a simulated data set depends on."""
    given = settings.datasets[dataset]
    if given.simulate is None:
        return {}
    found = {**deciding(given.simulate, "simulate"), "seed": json.dumps(settings.seed)}
    found["labelled"] = json.dumps(given.labelled)
    if given.simulate.cells_from is not None:
        found["held_out"] = json.dumps(given.role in HELD_OUT)
        found["negative"] = negative_class(settings)
    return found


def store(settings: Configuration, dataset: str) -> Deciding:
    """Settings that a stored shard depends on, besides the raw files."""
    given = settings.datasets[dataset]
    layout = given.layout
    found = {**deciding(settings.ingest, "ingest"), "shards": json.dumps(given.shards)}
    # Names that are the default say nothing, so that a table of images in their place is no change of settings.
    if layout != Layout():
        found |= {
            "naming": json.dumps(layout.naming),
            "ID": json.dumps(layout.id_form),
            "channels": json.dumps(
                [place and place.model_dump(exclude_none=True) for place in layout.channels]
            ),
        }
    return found


def download(settings: Configuration, dataset: str) -> Deciding:
    """Settings that decide which raw files are downloaded."""
    given = settings.datasets[dataset].download
    return {} if given is None else deciding(given, "download")


def folds(settings: Configuration) -> Deciding:
    """Settings that the folds depend on, besides the label tables and equal images."""
    return {**deciding(settings.folds, "folds"), **deciding(settings.labels, "labels")}


def held_out_grades(settings: Configuration) -> Deciding:
    """Settings that decide which graded cells are held out, besides the tables of grades and equal images."""
    return {**_grades(settings, held_out=True), **deciding(settings.folds, "folds")}


def placed_grades(settings: Configuration) -> Deciding:
    """Settings that the soft values of graded cells depend on, besides masks and the choice of held-out cells."""
    return {**_grades(settings, held_out=False), **deciding(settings.labels, "labels")}


def _grades(settings: Configuration, *, held_out: bool) -> Deciding:
    found = deciding(settings.grades, "grades")
    return {key: text for key, text in found.items() if (key in HOLDING_OUT) is held_out}


def graded_score(settings: Configuration) -> Deciding:
    """Settings that the score of graded cells depends on, besides the scored table."""
    keys = ("bootstrap", "interval", "seed")
    return {f"score.{key}": json.dumps(getattr(settings.score, key)) for key in keys}


def segmentation(settings: Configuration, dataset: str) -> Deciding:
    """Settings that label images depend on; those of segmenters that are not chosen do not count."""
    section = settings.segmentation
    found = {
        "segmentation.method": json.dumps(section.method),
        "segmentation.source": json.dumps(section.source),
        "segmentation.size": json.dumps(section.size),
        "pixel_size_um": json.dumps(settings.datasets[dataset].pixel_size_um),
    }
    for name in (section.method, *section.chosen.also_reads, "quality"):
        found |= deciding(getattr(section, name), f"segmentation.{name}")
    return found


def crops(settings: Configuration) -> Deciding:
    """Settings of step 2 that decide how cells are cut for a training, and where a network is read."""
    names = ("scale", "crop", "margin", "mask", "pool", "padding")
    return {f"step2.{name}": json.dumps(getattr(settings.step2, name)) for name in names}


def training(settings: Configuration, model: str, stage: str) -> Deciding:
    """Settings that the weights of a stage depend on."""
    given, of_stage = settings.models[model].stages[stage], settings.stage_training(model, stage)
    own = deciding(of_stage, "training")
    return {
        **(crops(settings) if given.kind == "cells" else {}),
        **{
            key: text
            for key, text in own.items()
            if of_stage.network.frozen or not key.startswith("training.features.")
        },
        **deciding(settings.labels, "labels"),
        "datasets": json.dumps(given.datasets),
        "start": json.dumps(given.start),
    }


def targets(settings: Configuration, model: str, stage: str) -> Deciding:
    """Settings that the targets of a stage depend on, besides the tables of its teachers, labels, cells and folds."""
    given = settings.models[model].stages[stage]
    teachers = {
        f"learns_from.{number}": json.dumps([teacher.model, teacher.stage, teacher.step, teacher.weight])
        for number, teacher in enumerate(settings.teachers(model, stage))
    }
    return {
        **deciding(given.targets, "targets"),
        **teachers,
        **deciding(settings.labels, "labels"),
        "negative": negative_class(settings),
        "folds.group": json.dumps(settings.folds.group),
        "folds.column": json.dumps(settings.folds.column),
    }


def negative_class(settings: Configuration) -> str:
    """Name and index of the negative class: with another class table, the same name may have another index."""
    names = read_classes(settings.classes)
    return json.dumps(settings.negative and f"{settings.negative} is class {names.index(settings.negative)}")


def steps(settings: Configuration, step: str) -> Deciding:
    """Settings that the tables of `step1` or `step2` depend on."""
    negative = {"negative": negative_class(settings)} if step == "step1" else {}
    return {**deciding(getattr(settings, step), step), **negative}


def embeddings(settings: Configuration, model: str, stage: str) -> Deciding:
    """Settings that the embeddings of a stage depend on, besides the network."""
    if settings.embedding_step(model, stage) == 1:
        return {"embeddings": json.dumps("of fields")}
    of_step = steps(settings, "step2")
    read = {key: text for key, text in of_step.items() if not key.startswith("step2.tta.")}
    return {"embeddings": json.dumps("of crops"), **read}


def embedding_picture(settings: Configuration, method: str) -> Deciding:
    """Settings that a picture of embeddings depends on, besides the embeddings and the table of cells."""
    own = deciding(settings.embeddings, "embeddings")
    return {key: text for key, text in own.items() if method == "umap" or ".umap." not in key}


def reading(settings: Configuration, model: str, dataset: str) -> Deciding:
    """Settings that decide the tables of a model from elsewhere, besides its files."""
    given = settings.models[model].cells
    if given is None:
        return {"table": json.dumps(settings.models[model].table)}
    return {**deciding(given, "cells"), "pixel_size_um": json.dumps(settings.datasets[dataset].pixel_size_um)}


def read_embeddings(settings: Configuration, model: str, dataset: str) -> Deciding:
    """Settings that decide the embeddings of a model from elsewhere, besides its files."""
    read = reading(settings, model, dataset)
    return {key: text for key, text in read.items() if key != "cells.locations"}


def ensemble(settings: Configuration) -> Deciding:
    """Settings that the ensemble depends on, besides the tables of its members."""
    return {**deciding(settings.ensemble, "ensemble"), "negative": negative_class(settings)}


def answer(settings: Configuration, dataset: str) -> Deciding:
    """All settings that the predictions of a data set depend on, also by way of networks and other tables."""
    found = {**simulation(settings, dataset), **store(settings, dataset), **segmentation(settings, dataset)}
    for model, stage in settings.trained_stages():
        of_stage = training(settings, model, stage)
        found |= {f"models.{model}.stages.{stage}.{key}": text for key, text in of_stage.items()}
    for model in settings.members_without_stages():
        read = reading(settings, model, dataset)
        found |= {f"models.{model}.{key}": text for key, text in read.items()}
    found |= {**folds(settings), **steps(settings, "step1"), **steps(settings, "step2"), **ensemble(settings)}
    return found | {
        "calibration.file": json.dumps(settings.calibration.file),
        "unlike_training.look": json.dumps(settings.unlike_training.look),
    }


def ome_zarr(settings: Configuration) -> Deciding:
    """Settings that an OME-Zarr depends on, besides the field, its masks and the predictions."""
    return deciding(settings.export.ome_zarr, "export.ome_zarr")


def field_thresholds(settings: Configuration) -> Deciding:
    """Settings that the thresholds of whole fields depend on; a table of thresholds is an input."""
    given = settings.fields.thresholds
    return {"fields.thresholds": json.dumps("a table" if settings.fields.threshold_file else given)}


def fields(settings: Configuration) -> Deciding:
    """Settings that the answer per field depends on, besides the tables of the networks, of cells and of thresholds."""
    found = deciding(settings.fields, "fields") | {"negative": negative_class(settings)}
    del found["fields.thresholds"]
    return found


def training_look(settings: Configuration) -> Deciding:
    """Settings that the file of what the training fields look like depends on, besides network, masks and folds."""
    section = deciding(settings.unlike_training, "unlike_training")
    group = {"folds.group": json.dumps(settings.folds.group)}
    return {key: text for key, text in section.items() if key != "unlike_training.look"} | group


def calibration(settings: Configuration) -> Deciding:
    """Settings that a calibration depends on, besides the tables of cells and their truth."""
    section = deciding(settings.calibration, "calibration")
    of_score = deciding(settings.score, "score")
    used = ("iou_threshold", "overlap", "bootstrap", "interval", "seed")
    del section["calibration.file"]
    return {
        **section,
        **{f"score.{name}": of_score[f"score.{name}"] for name in used},
        "folds.group": json.dumps(settings.folds.group),
    }


def score(settings: Configuration) -> Deciding:
    """Settings that a score depends on, besides the scored tables."""
    members = {key: text for key, text in ensemble(settings).items() if key.startswith("ensemble.members")}
    return {**deciding(settings.score, "score"), **members}


def _matching(settings: Configuration) -> Deciding:
    """Settings that decide which segmented cell is which true cell."""
    return {
        f"score.{name}": json.dumps(getattr(settings.score, name)) for name in ("iou_threshold", "overlap")
    }


def variability(settings: Configuration) -> Deciding:
    """Settings that the variability of cells depends on, besides the tables of cells and the calibration."""
    group = {"folds.group": json.dumps(settings.folds.group)}
    return {**deciding(settings.variability, "variability"), **_matching(settings), **group}


def view(settings: Configuration) -> Deciding:
    """Settings that a shard of the viewer depends on, besides its tables. `view.datasets` says which there are."""
    own = deciding(settings.view, "view")
    del own["view.datasets"]
    return {**own, **ensemble(settings), **_matching(settings)}


def cams(settings: Configuration) -> Deciding:
    """Settings that class activation maps depend on, besides the networks; the fields of a shard come in addition."""
    members = [[one.model, one.stage, one.weight] for one in settings.ensemble.members if one.step == 1]
    found = {**steps(settings, "step1"), "cams.classes": json.dumps(settings.cams.classes)}
    # By default, the classes of each field are chosen by what the ensemble says.
    chosen = ensemble(settings) if settings.cams.classes is None else {}
    return {**chosen, **found, "members of step 1": json.dumps(members)}


def member_choice(settings: Configuration) -> Deciding:
    """Settings that the choice of members depends on, besides their tables."""
    bootstrap = {
        f"score.{name}": json.dumps(getattr(settings.score, name))
        for name in ("bootstrap", "interval", "seed")
    }
    parts = {f"folds.{name}": json.dumps(getattr(settings.folds, name)) for name in ("count", "group")}
    own = deciding(settings.member_choice, "member_choice")
    return {**ensemble(settings), **own, **_matching(settings), **bootstrap, **parts}


def ablation(settings: Configuration) -> Deciding:
    """Settings that the ablation depends on, besides masks and models."""
    return {
        **steps(settings, "step1"),
        **steps(settings, "step2"),
        **ensemble(settings),
        **deciding(settings.score, "score"),
    }

"""How much work finished jobs did, from their results: fields, megapixels, cells, passes of networks."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow.lib import ArrowInvalid
from pydantic import ValidationError

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.readers import READ_STAGE, SubCellSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.view import ViewSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_csv
from puzzlecell.errors import UserError
from puzzlecell.network.network_file import read_network_file
from puzzlecell.network.subcell_file import read_subcell_file
from puzzlecell.planning.work import (
    MEGA,
    Stage,
    Work,
    cells_work,
    features_work,
    ingest_work,
    read_cells_work,
    segment_kind,
    simulation_work,
    step1_work,
    step2_work,
    train_cells_work,
    train_head_work,
    train_work,
    unlike_work,
    view_work,
)


def work_of(script: str, results: Path, names: tuple[str, ...], settings: str) -> Work | None:
    """Return the work of a finished job; None if its files do not tell.

    names: those below the first folder of its benchmark and log. settings: those in its log, as JSON.
    """
    measure = _MEASURES.get(script)
    try:
        return measure(results, names, settings) if measure else None
    except (OSError, UserError, ValidationError, ArrowInvalid, ValueError, KeyError, IndexError):
        return None


def submitted_cells(results: Path) -> int:
    """Number of cells in `submission.csv`; scored holdout sets have tables of cells too, but are not submitted.

    Raises OSError or UserError if a file cannot be read.
    """
    fields = read_csv(results / "submission.csv")["ID"]
    tables = (
        pq.read_table(path, columns=["ID"]).to_pandas() for path in (results / "cells").glob("*.parquet")
    )
    return sum(int(table["ID"].isin(fields).sum()) for table in tables)


def _simulate(results: Path, names: tuple[str, ...], settings: str) -> Work:
    given = SimulationSettings.model_validate_json(settings)
    return simulation_work(given.fields, given.size)


def _ingest(results: Path, names: tuple[str, ...], settings: str) -> Work:
    table = _shard(results, "store", *names).table
    return ingest_work(len(table), (table["height"].astype(float) * table["width"]).sum() / MEGA)


def _segment(results: Path, names: tuple[str, ...], settings: str) -> Work:
    given = SegmentationSettings.model_validate_json(settings)
    fields = len(_shard(results, "masks", *names).ids)
    return Work(segment_kind(given), fields * _label_side(results, *names) ** 2 / MEGA, "Mpx")


def _train(results: Path, names: tuple[str, ...], settings: str, shown: str = "fields") -> Work:
    given, drawn, held_out, epochs = _trained(results, names, settings, shown)
    if shown == "fields":
        return train_work(given, drawn, held_out, epochs=epochs)
    model = results / "models" / Path(*names) / "model.safetensors"
    canvas = int(read_network_file(model)["crops"]["canvas"])
    return train_cells_work(given, canvas, drawn, held_out, epochs=epochs)


def _trained(
    results: Path, names: tuple[str, ...], settings: str, shown: str
) -> tuple[TrainingSettings, float, int, int]:
    """Settings of a training, fields or cells that it drew per epoch, those held out, and epochs."""
    folder = results / "models" / Path(*names)
    history, held_out = read_csv(folder / "history.csv"), read_csv(folder / "oof.csv")
    drawn = float((history["seconds"] * history[f"{shown}_per_s"]).mean())
    given = TrainingSettings.model_validate_json(settings)
    given = given.model_copy(update={"samples_per_epoch": round(drawn)})
    return given, drawn, len(held_out), len(history)


def _features(results: Path, names: tuple[str, ...], settings: str) -> Work:
    dataset, stage, encoder, shard = names
    fields = len(ShardReader([results / "features" / dataset / stage / encoder / f"{shard}.h5"]))
    return features_work(TrainingSettings.model_validate_json(settings), fields)


def _train_head(results: Path, names: tuple[str, ...], settings: str) -> Work:
    given, drawn, held_out, epochs = _trained(results, names, settings, "fields")
    return train_head_work(given, drawn, held_out, epochs=epochs)


def _step1(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, stage, shard), given = names, Step1Settings.model_validate_json(settings)
    fields = len(_shard(results, "store", dataset, shard).ids)
    return step1_work(_stage(results, stage), given, fields, _label_side(results, dataset, shard))


def _step2(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, stage, shard), given = names, Step2Settings.model_validate_json(settings)
    cells = pq.read_metadata(results / "step2" / dataset / stage / f"{shard}.parquet").num_rows
    return step2_work(_stage(results, stage), given, cells)


def _read_cells(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, model, shard), given = names, SubCellSettings.model_validate_json(settings)
    table = results / "step2" / dataset / f"{model}.{READ_STAGE}" / f"{shard}.parquet"
    return read_cells_work(read_subcell_file(given.weights), pq.read_metadata(table).num_rows)


def _oof_step2(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (model, stage, fold), given = names, Step2Settings.model_validate_json(settings)
    cells = pq.read_metadata(results / "oof" / model / stage / f"{fold}.parquet").num_rows
    return step2_work(_stage(results, f"{model}.{stage}", folds=1), given, cells)


def _unlike(results: Path, names: tuple[str, ...], settings: str) -> Work:
    (dataset, shard), given = names, json.loads(settings)
    fields = pq.read_metadata(results / "unlike" / dataset / f"{shard}.images.parquet").num_rows
    return unlike_work(_stage(results, f"{given['model']}.{given['stage']}", folds=1), fields, 0)


def _oof(results: Path, names: tuple[str, ...], settings: str) -> Work:
    model, stage, fold = names
    fields = len(read_csv(results / "oof" / model / stage / f"{fold}.images.csv"))
    given = Step1Settings.model_validate_json(settings)
    return step1_work(_stage(results, f"{model}.{stage}", folds=1), given, fields, 0)


def _holdout(results: Path, names: tuple[str, ...], settings: str) -> Work:
    model, stage, _ = names
    fields = read_csv(results / "oof" / model / stage / "holdout.csv")["ID"].nunique()
    return step1_work(
        _stage(results, f"{model}.{stage}"), Step1Settings.model_validate_json(settings), fields, 0
    )


def _view(results: Path, names: tuple[str, ...], settings: str) -> Work:
    facts = json.loads((results / "view/data" / Path(*names, "shard.json")).read_text())
    given = ViewSettings.model_validate_json(settings)
    sides = facts["pictures"] * given.tile**2 + facts["field_pictures"] * given.field_tile**2
    return view_work(facts["cells"], 4 * sides / MEGA)


def _cells(name: str) -> Callable[[Path, tuple[str, ...], str], Work]:
    def measure(results: Path, names: tuple[str, ...], settings: str) -> Work:
        return cells_work(name, pq.read_metadata(results / "cells" / f"{names[0]}.parquet").num_rows)

    return measure


def _submission(results: Path, names: tuple[str, ...], settings: str) -> Work:
    return cells_work("submission", submitted_cells(results))


def _stage(results: Path, name: str, folds: int | None = None) -> Stage:
    """Networks of a trained stage `<model>.<stage>`, from its weights; raises IndexError if there are none."""
    model, _, stage = name.partition(".")
    paths = sorted((results / "models" / model / stage).glob("fold*/model.safetensors"))
    metadata = read_network_file(paths[0])
    network = NetworkSettings(**metadata["network"])
    return Stage(network, metadata["field_size"], metadata["crop_size"], folds or len(paths))


def _shard(results: Path, kind: str, dataset: str, shard: str) -> ShardReader:
    return ShardReader([results / kind / dataset / f"{shard}.h5"])


def _label_side(results: Path, dataset: str, shard: str) -> int:
    import h5py

    with h5py.File(results / "masks" / dataset / f"{shard}.h5") as file:
        return int(file["cells"].shape[1])


_MEASURES: dict[str, Callable[[Path, tuple[str, ...], str], Work]] = {
    "simulate": _simulate,
    "ingest": _ingest,
    "segment": _segment,
    "train": _train,
    "train_cells": lambda results, names, settings: _train(results, names, settings, "cells"),
    "train_head": _train_head,
    "features": _features,
    "step1": _step1,
    "step2": _step2,
    "read_cells": _read_cells,
    "unlike_training": _unlike,
    "oof_fold": _oof,
    "oof_step2": _oof_step2,
    "holdout_stage": _holdout,
    "submission": _submission,
    "view_shard": _view,
    **{name: _cells(name) for name in ("ensemble", "score")},
}

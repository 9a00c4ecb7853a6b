"""A small bundle, made from files written for it."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from helpers.inference_data import CLASSES, SIZE, write_network

from puzzlecell.bundle.export import RunFiles, export_bundle
from puzzlecell.config.workflow import Configuration, load_configuration
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import probability_table, write_csv

STAGE = ("m", "s")


def ready_values(folder: Path, **changes) -> dict:
    """A configuration with a test set and ready weights only."""
    return {
        "classes": str(folder / "classes.csv"),
        "negative": "Negative",
        "datasets": {"test": {"role": "test", "pixel_size_um": 0.5}},
        "ingest": {"size": SIZE},
        "folds": {"count": 2},
        "models": {"m": {"stages": {"s": {"checkpoints": f"{folder}/weights{{fold}}.safetensors"}}}},
        "ensemble": {"members": [{"model": "m", "stage": "s", "step": step} for step in (1, 2)]},
        **changes,
    }


def write_run(folder: Path, **changes) -> tuple[Configuration, RunFiles]:
    """Write the class table, weights, a store of bright fields and held-out predictions of a run."""
    rows = [f"{index},{name}" for index, name in enumerate(CLASSES)]
    (folder / "classes.csv").write_text("\n".join(["index,name", *rows, ""]))
    (folder / "licence.txt").write_text("Do as you like.\n")
    weights = [write_network(folder / f"weights{fold}.safetensors", seed=fold) for fold in (1, 2)]
    values = ready_values(
        folder, bundle={"name": "shapes", "licence": str(folder / "licence.txt")}, **changes
    )
    values["datasets"]["train"] = {"role": "train", "pixel_size_um": 0.5}
    values["models"]["m"]["stages"]["s"]["datasets"] = ["train"]
    ids = ["a", "b", "c"]
    images = np.random.default_rng(0).integers(0, 200, (3, SIZE, SIZE, 4), np.uint8)
    columns = {"height": np.full(3, 2 * SIZE), "width": np.full(3, 2 * SIZE), "bit_depth": np.full(3, 8)}
    write_shard(folder / "store.h5", ids, {"images": images, **columns}, {})
    (folder / "labels.csv").write_text("ID,Label\na,0\nb,1\nc,0|3\n")
    table = probability_table({"ID": ids}, np.eye(4)[[0, 1, 3]])
    table.insert(1, "Label", ["0", "1", "0|3"])
    write_csv(folder / "oof.csv", table)
    write_csv(
        folder / "score.csv",
        pd.DataFrame([{"prediction": "ensemble", "mean_ap": 0.5, "low": np.nan, "high": 1}]),
    )
    files = RunFiles(
        weights=weights,
        stores={"train": folder / "store.h5"},
        labels={"train": folder / "labels.csv"},
        held_out={STAGE: [folder / "oof.csv"]},
        scores={"test": folder / "score.csv"},
    )
    return load_configuration(yaml.safe_load(yaml.safe_dump(values)), folder), files


def write_bundle(folder: Path, output: Path, **changes) -> dict:
    """Write a bundle and return its manifest's contents."""
    settings, files = write_run(folder, **changes)
    return export_bundle(output, settings, files)


def tree(folder: Path) -> dict[str, bytes]:
    """Contents of all files below a folder, by their path."""
    return {
        os.fspath(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }

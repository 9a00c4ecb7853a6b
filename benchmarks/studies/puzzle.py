"""Does the puzzle pay? Training with and without it at equal passes, several seeds, scored per cell on true masks.

Every training leaves a row in runs.csv; a study that was stopped goes on where it was. The table has mean and standard
deviation over the seeds of: mean average precision over classes of the field's probabilities (image), of the same given
to every cell (broadcast), of step 1, and of step 1 times the field's probability.
Run: python benchmarks/studies/puzzle.py SETTINGS.yaml [--processes 2]
"""

import argparse
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from puzzlecell.cam import sigmoid, step1_scores
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings
from puzzlecell.config.training import TrainingSettings, resolved
from puzzlecell.fields import resize_field, sized_field
from puzzlecell.files import written_whole
from puzzlecell.metrics import image_metrics
from puzzlecell.network import load_network
from puzzlecell.simulate.field import simulate_field
from puzzlecell.store import ShardReader, write_shard
from puzzlecell.training import TrainingRun, train

NEGATIVE = 18
CLASSES = [f"class {number}" for number in range(19)]
METRICS = ["image", "broadcast", "step 1", "step 1 x image"]
PARTS = ("train", "held_out", "test")


def make_fields(path: Path, part: str, study: dict) -> None:
    """A shard of simulated fields with their true cells, `/cell_labels` (N, most cells, C) and `/labels` (N, C)."""
    settings = SimulationSettings(**study["simulation"])
    fields = [simulate_field(part, index, settings, seed=0) for index in range(study["fields"][part])]
    most = max(len(field.cell_labels) for field in fields)
    cell_labels = np.zeros((len(fields), most, len(CLASSES)), np.uint8)
    labels = np.zeros((len(fields), len(CLASSES)), np.uint8)
    for row, field in enumerate(fields):
        labels[row, field.labels] = 1
        for cell, shown in enumerate(field.cell_labels):
            cell_labels[row, cell, list(shown)] = 1
    arrays = {
        "images": np.stack([resize_field(field.image, study["store"]) for field in fields]),
        "cells": np.stack([field.cells for field in fields]),
        "cell_labels": cell_labels,
        "labels": labels.reshape(len(fields), 1, -1),
        "height": np.full(len(fields), settings.size),
        "width": np.full(len(fields), settings.size),
    }
    write_shard(path, [field.id for field in fields], arrays, {})


def settings_of(study: dict, variant: str, seed: int, passes: int) -> TrainingSettings:
    """Settings of a training that makes `passes` passes: a puzzle step counts twice."""
    changes = study["variants"][variant]
    with_puzzle = resolved(study["training"], changes).puzzle.pieces > 0
    samples = passes // (2 if with_puzzle else 1) // study["epochs"]
    return resolved(
        study["training"], changes, {"seed": seed, "epochs": study["epochs"], "samples_per_epoch": samples}
    )


def run_one(study: dict, folder: Path, place: tuple[str, int, int]) -> dict[str, object]:
    """Train one variant with one seed and score it."""
    variant, seed, passes = place
    stores = [folder / f"{part}.h5" for part in PARTS[:2]]
    tables = []
    for fold, store in enumerate(stores, start=1):
        reader = ShardReader([store])
        table = pd.DataFrame([reader.read(field_id, "labels")[0] for field_id in reader.ids], columns=CLASSES)
        table.insert(0, "ID", reader.ids)
        tables.append(table.assign(fold=fold))
    output = folder / f"{variant}-{seed}-{passes}".replace(" ", "_")
    if not (output / "model.safetensors").exists():
        settings = settings_of(study, variant, seed, passes)
        run = TrainingRun(
            settings,
            CLASSES,
            stores,
            pd.concat(tables, ignore_index=True),
            2,
            output,
            settings.model_dump_json(),
        )
        train(run, lambda done, total, text="": None)
    seconds = pd.read_csv(output / "history.csv")["seconds"].sum()
    scores = score(output / "model.safetensors", folder / "test.h5")
    return {"variant": variant, "seed": seed, "passes": passes, "seconds": round(seconds, 1), **scores}


@torch.no_grad()
def score(model: Path, test: Path) -> dict[str, float]:
    """Mean average precision over classes: of fields, and of cells in three ways."""
    network, reader, settings = load_network(model), ShardReader([test]), Step1Settings()
    fields, truth = [], []
    cells: dict[str, list[np.ndarray]] = {name: [] for name in METRICS[1:]}
    cell_truth = []
    for field_id in reader.ids:
        image = sized_field(reader.read(field_id), network.field_size)
        logits, maps = network(torch.from_numpy(image).permute(2, 0, 1)[None])
        probabilities = sigmoid(logits[0].numpy())
        masks = reader.read(field_id, "cells")
        # Numbers of the cells that are in the label image, which its scores follow.
        numbers = np.unique(masks)[1:]
        step1 = step1_scores(maps[0].numpy(), logits[0].numpy(), masks, settings, NEGATIVE)
        cells["broadcast"].append(np.tile(probabilities, (len(numbers), 1)))
        cells["step 1"].append(step1)
        cells["step 1 x image"].append(step1 * probabilities)
        cell_truth.append(reader.read(field_id, "cell_labels")[numbers - 1])
        fields.append(probabilities)
        truth.append(reader.read(field_id, "labels")[0])
    found = {"image": image_metrics(np.stack(truth), np.stack(fields))["map"]}
    for name, rows in cells.items():
        found[name] = image_metrics(np.concatenate(cell_truth), np.concatenate(rows))["map"]
    return found


def write_table(path: Path, runs: pd.DataFrame) -> None:
    """Mean and standard deviation over the seeds of every variant and number of passes, as Markdown."""
    lines = [
        f"| passes | variant | seeds | s a run | {' | '.join(METRICS)} |",
        "|" + "---|" * (4 + len(METRICS)),
    ]
    for (passes, variant), rows in runs.groupby(["passes", "variant"], sort=False):
        values = [f"{rows[name].mean():.3f} ± {rows[name].std():.3f}" for name in METRICS]
        lines.append(
            f"| {passes} | {variant} | {len(rows)} | {rows['seconds'].mean():.0f} | {' | '.join(values)} |"
        )
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Make the fields, train every variant with every seed, and write the table after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", type=Path)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 1)))
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    study = yaml.safe_load(given.settings.read_text())
    folder = Path(study["output"])
    for part in PARTS:
        if not (folder / f"{part}.h5").exists():
            make_fields(folder / f"{part}.h5", part, study)
    table = folder / "runs.csv"
    runs = pd.read_csv(table) if table.exists() else pd.DataFrame(columns=["variant", "seed", "passes"])
    done = set(zip(runs["variant"], runs["seed"], runs["passes"], strict=True))
    places = [(v, s, p) for p in study["passes"] for s in study["seeds"] for v in study["variants"]]
    left = [place for place in places if place not in done]
    rows = runs.to_dict("records")
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        for row in pool.map(partial(run_one, study, folder), left):
            rows.append(row)
            logging.info("%d of %d: %s", len(rows), len(places), row)
            with written_whole(table) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False)
            write_table(folder / "table.md", pd.DataFrame(rows))
    print((folder / "table.md").read_text())


if __name__ == "__main__":
    main()

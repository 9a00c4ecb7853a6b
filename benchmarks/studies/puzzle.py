"""Does the puzzle pay? Training with and without it, at equal passes and with several seeds.

Models are trained from the backbone's pretrained weights, or fine-tuned after training without the puzzle, as a later
stage would be. They are scored per cell on ground-truth masks. Every training adds a row to runs.csv; an interrupted
study resumes where it stopped. The table gives the mean and standard deviation over seeds of the mean average precision
over classes, for:

- image: the field's probabilities, per field.
- broadcast: the field's probabilities, assigned to every cell.
- step 1 and step 2.
- both: (mean of step 1 and step 2) ^ 0.7 x (probability of the field) ^ 0.3.

Run: make study, or python benchmarks/studies/puzzle.py SETTINGS.yaml [--processes 2]
"""

import argparse
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from study_fields import label_table, simulated_fields, true_cells, write_fields

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.config.training import TrainingSettings, resolved
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import class_columns
from puzzlecell.inference.step1 import step1_tables
from puzzlecell.inference.step2 import step2_table
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.training.metrics import validation_metrics
from puzzlecell.training.run import TrainingRun
from puzzlecell.training.train import train

NEGATIVE = 18
CLASSES = [f"class {number}" for number in range(19)]
METRICS = ["image", "broadcast", "step 1", "step 2", "both"]
PARTS = ("train", "held_out", "test")


def make_fields(path: Path, part: str, study: dict) -> None:
    """Write a shard of simulated fields with their truth."""
    settings = SimulationSettings(**study["simulation"])
    fields = simulated_fields(part, study["fields"][part], settings, seed=0)
    write_fields(path, fields, len(CLASSES), study["store"])


class Place(NamedTuple):
    """One training of the study."""

    start: str
    """Variant that it starts from, or an empty string for the backbone's pretrained weights."""
    variant: str
    seed: int
    passes: int

    def folder(self, study: Path) -> Path:
        """Folder of its files."""
        parts = (self.start and f"after {self.start}", self.variant, self.seed, self.passes)
        return study / "-".join(str(part) for part in parts if part).replace(" ", "_")


def places(study: dict) -> list[Place]:
    """All trainings, those that others start from first."""
    finish = study["finish"]
    short, *longer = study["passes"]
    kinds = [("", short), (finish["start"], finish["passes"]), *(("", passes) for passes in longer)]
    return [
        Place(start, variant, seed, passes)
        for start, passes in kinds
        for seed in study["seeds"]
        for variant in study["variants"]
    ]


def settings_of(study: dict, place: Place) -> TrainingSettings:
    """Training settings that give the wanted number of passes; a puzzle step counts as two."""
    given = study["training"], study["finish"]["training"] if place.start else {}
    changes = study["variants"][place.variant]
    settings = resolved(*given, changes, {"seed": place.seed})
    passes = place.passes // (2 if settings.puzzle.pieces > 0 else 1)
    return settings.model_copy(update={"samples_per_epoch": passes // settings.epochs})


def run_one(study: dict, folder: Path, place: Place) -> dict[str, object]:
    """Train one variant with one seed and score it."""
    stores = [folder / f"{part}.h5" for part in PARTS[:2]]
    tables = []
    for fold, store in enumerate(stores, start=1):
        tables.append(label_table(store, CLASSES).assign(fold=fold))
    output = place.folder(folder)
    if not (output / "model.safetensors").exists():
        settings = settings_of(study, place)
        first = Place("", place.start, place.seed, study["passes"][0]).folder(folder)
        run = TrainingRun(
            settings,
            CLASSES,
            stores,
            pd.concat(tables, ignore_index=True),
            2,
            output,
            settings.model_dump_json(),
            init_from=first / "model.safetensors" if place.start else None,
        )
        train(run, lambda done, total, text="": None)
    seconds = float(pd.read_csv(output / "history.csv")["seconds"].sum())
    return {
        **place._asdict(),
        "seconds": round(seconds, 1),
        **score(output / "model.safetensors", folder / "test.h5"),
    }


def score(model: Path, test: Path) -> dict[str, float]:
    """Mean average precision over classes: of fields, and of cells predicted in four ways."""
    reader = ShardReader([test])
    step1, images = step1_tables(test, test, [model], Step1Settings(), negative=NEGATIVE)
    step2 = step2_table(test, test, [model], Step2Settings())
    if not step1[["ID", "cell"]].equals(step2[["ID", "cell"]]):
        raise ValueError(f"{model}: step 1 and step 2 predicted different cells in {test}")
    columns = class_columns(step1)
    one, two = step1[columns].to_numpy(), step2[columns].to_numpy()
    field = images.set_index("ID").loc[step1["ID"], columns].to_numpy()
    truth = true_cells(reader, step1["ID"], step1["cell"])
    cells = {
        "broadcast": field,
        "step 1": one,
        "step 2": two,
        "both": ((one + two) / 2) ** 0.7 * field**0.3,
    }
    of_fields = np.stack([reader.read(field_id, "labels")[0] for field_id in images["ID"]])
    found = {"image": validation_metrics(of_fields, images[columns].to_numpy())["map"]}
    return found | {name: validation_metrics(truth, values)["map"] for name, values in cells.items()}


def write_table(path: Path, runs: pd.DataFrame) -> None:
    """Write the mean and standard deviation over seeds of every variant and number of passes, as Markdown."""
    lines = [
        f"| start | passes | variant | seeds | {' | '.join(METRICS)} |",
        "|" + "---|" * (4 + len(METRICS)),
    ]
    for (start, passes, variant), rows in runs.groupby(["start", "passes", "variant"], sort=False):
        values = [f"{rows[name].mean():.3f} ± {rows[name].std():.3f}" for name in METRICS]
        lines.append(f"| {start or 'ImageNet'} | {passes} | {variant} | {len(rows)} | {' | '.join(values)} |")
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Simulate the fields, train every variant with every seed, and update the table after each training."""
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
    runs = (
        pd.read_csv(table, keep_default_na=False) if table.exists() else pd.DataFrame(columns=Place._fields)
    )
    done = {Place(*row) for row in runs[list(Place._fields)].itertuples(index=False)}
    wanted = places(study)
    rows = runs.to_dict("records")
    # One kind after the other: fine-tuning starts from a finished training.
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        for kind in dict.fromkeys((place.start, place.passes) for place in wanted):
            left = [place for place in wanted if (place.start, place.passes) == kind and place not in done]
            for row in pool.map(partial(run_one, study, folder), left):
                rows.append(row)
                logging.info("%d of %d: %s", len(rows), len(wanted), row)
                with written_whole(table) as temporary:
                    pd.DataFrame(rows).to_csv(temporary, index=False)
                write_table(folder / "table.md", pd.DataFrame(rows))
    print((folder / "table.md").read_text())


if __name__ == "__main__":
    main()

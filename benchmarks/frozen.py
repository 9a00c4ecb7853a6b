"""What does a frozen encoder cost, and what does it reach? Against training the whole network, on simulated worlds.

In each world, a head is trained on the features of the default run's encoder (EfficientNet-Lite0 with ImageNet weights)
in several numbers of views, and the whole network for several numbers of fields shown, so that both can be compared
at equal time and at equal score. One fold is trained on one core; its time includes the features, computed for all
fields, or the reading and augmentation of fields. Scores: mean average precision of held-out fields (`fields`), and of
single cells of other fields by their true classes, read by step 1 and step 2.

Without options, a small part of the study, which takes about two minutes of processor time.
Run: OMP_NUM_THREADS=1 python benchmarks/frozen.py [--study] [--worlds default crowded] [--fields 320]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).parent / "studies"))
from study_fields import label_table
from world_fields import make_world, negative_of, world_classes
from world_members import members

from puzzlecell.config.training import TrainingSettings, resolved
from puzzlecell.data.store import ShardReader
from puzzlecell.inference.features import write_features
from puzzlecell.runtime.progress import no_progress
from puzzlecell.training.metrics import validation_metrics
from puzzlecell.training.run import TrainingRun
from puzzlecell.training.train import train

STUDY = yaml.safe_load((Path(__file__).parent / "studies/worlds.yaml").read_text())
# As stage1 of config/config.yaml, whose five epochs show 2000 fields.
WHOLE = {"epochs": 5, "schedule": {"kind": "one-cycle", "warmup_epochs": 0.5}}
HEAD = {
    "network": {"frozen": True},
    "augmentation": "none",
    "epochs": 100,
    "early_stop": 10,
    "optimiser": {"learning_rate": 1e-2, "weight_decay": 1e-2},
    "schedule": {"kind": "plateau", "patience": 3, "warmup_epochs": 0},
}
VIEWS = {
    1: {"flip": False, "rotate": False},
    2: {"flip": True, "rotate": False},
    4: {"flip": False, "rotate": True},
    8: {"flip": True, "rotate": True},
}
# Worlds, views, learning rates of the head, and fields that the whole network is shown.
PART: dict[str, list] = {"worlds": ["default"], "views": [1, 2], "rates": [1e-2], "shown": [125, 500]}
WHOLE_STUDY: dict[str, list] = {
    "worlds": ["default", "dim", "crowded"],
    "views": [1, 2, 4, 8],
    "rates": [1e-2],
    "shown": [125, 250, 500, 1000, 2000],
}


def settings_of(*changes: dict[str, Any]) -> TrainingSettings:
    """Settings of the study's training with changes."""
    return resolved(STUDY["training"], *changes)


def run_one(folder: Path, settings: TrainingSettings, world: dict, table: pd.DataFrame) -> dict[str, Any]:
    """Train fold 1; return processor and wall seconds, of which those of the features, epochs, MB and scores."""
    stores = [folder / "train.h5"]
    output = Path(tempfile.mkdtemp(dir=folder))
    wall, used = time.monotonic(), time.process_time()
    features, size = 0.0, 0.0
    if settings.network.frozen:
        write_features(output / "features.h5", stores[0], settings)
        stores, features = [output / "features.h5"], time.process_time() - used
        size = stores[0].stat().st_size / 1e6
    run = TrainingRun(settings, world_classes(world), stores, table, 1, output, "benchmark")
    train(run, no_progress)
    seconds, processor = time.monotonic() - wall, time.process_time() - used
    history = pd.read_csv(output / "history.csv")
    test = folder / "test.h5"
    found = members(output / "model.safetensors", test, ShardReader([test]).ids, negative_of(world))
    scores = {step: validation_metrics(found["truth"], found[step])["map"] for step in ("step1", "step2")}
    best = history.loc[history["loss"].idxmin()]
    return {
        **{"wall s": seconds, "CPU s": processor, "features s": features, "MB": size, "epochs": len(history)},
        **{"fields": best["map"], **scores},
    }


def runs_of(views: list[int], rates: list[float], shown: list[int], seed: int) -> dict[str, TrainingSettings]:
    """Settings of the trainings in a world, by their titles."""
    heads = {
        f"head, {count} view{'s' if count > 1 else ''}, rate {rate:g}": settings_of(
            HEAD, {"features": VIEWS[count], "optimiser": {"learning_rate": rate}, "seed": seed}
        )
        for count in views
        for rate in rates
    }
    whole = {
        f"whole network, {fields} fields shown": settings_of(
            WHOLE, {"samples_per_epoch": fields // WHOLE["epochs"], "seed": seed}
        )
        for fields in shown
    }
    return heads | whole


def main() -> None:
    """Train heads and whole networks in each world, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", action="store_true", help="the whole study; the other options change it")
    parser.add_argument("--worlds", nargs="+", choices=list(STUDY["worlds"]))
    parser.add_argument("--views", type=int, nargs="*", choices=list(VIEWS), help="views of a field")
    parser.add_argument("--rates", type=float, nargs="+", help="learning rates of the head")
    parser.add_argument("--shown", type=int, nargs="*", help="fields that the whole network is shown")
    parser.add_argument(
        "--fields", type=int, default=320, help="labelled fields of a world, half of them trained on"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chosen = {
        name: usual if getattr(given, name) is None else getattr(given, name)
        for name, usual in (WHOLE_STUDY if given.study else PART).items()
    }
    for name in chosen.pop("worlds"):
        world = STUDY["worlds"][name]
        world = world | {"fields": world["fields"] | {"train": given.fields}}
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            make_world(folder, world, given.seed, STUDY["store"])
            table = label_table(folder / "train.h5", world_classes(world))
            # Fields of a well stand one after the other: two by two in turn.
            table = table.assign(fold=1 + np.arange(len(table)) // 2 % 2)
            print(f"\nworld {name}, {given.fields} fields, seed {given.seed}", flush=True)
            for title, settings in runs_of(**chosen, seed=given.seed).items():
                row = run_one(folder, settings, world, table)
                cells = "  ".join(f"{key} {value:.3g}" for key, value in row.items())
                print(f"{title:32}  {cells}", flush=True)


if __name__ == "__main__":
    main()

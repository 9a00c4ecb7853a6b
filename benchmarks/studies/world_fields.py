"""Fields of a world: simulated as an overlay of the configuration says, or composed of real single cells."""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import yaml
from study_fields import TrueField, simulated_fields, write_fields

from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.raw_files import CHANNELS, channel_path

ROOT = Path(__file__).resolve().parents[2]
SIMULATED = 19
"""Classes of simulated fields; the last one is Negative."""


def world_classes(world: dict) -> list[str]:
    """Names of the classes of a world."""
    if "composed_of" not in world:
        return [f"class {number}" for number in range(SIMULATED)]
    with Path(ROOT / world["composed_of"] / "mosaics.csv").open() as table:
        return sorted({row["class"] for row in csv.DictReader(table)})


def negative_of(world: dict) -> int | None:
    """Index of the class Negative in a world; None if it has none."""
    return None if "composed_of" in world else SIMULATED - 1


def is_there(world: dict) -> bool:
    """Whether the material of a world is there: real cells are not part of the project."""
    return all((ROOT / name).exists() for name in [world.get("composed_of", "."), *world.get("overlays", [])])


def simulation_of(world: dict) -> dict:
    """`simulate` of the training data set in the configuration with the world's overlays and its own `simulation`."""
    found: dict = {}
    for name in ("config/config.yaml", *world.get("overlays", [])):
        given = yaml.safe_load((ROOT / name).read_text())
        found |= given.get("datasets", {}).get("train", {}).get("simulate") or {}
    return found | world.get("simulation", {})


def make_world(folder: Path, world: dict, seed: int, side: int) -> None:
    """Write the shards train.h5 and test.h5 of a world, `side` pixels wide, into a folder."""
    if "composed_of" in world:
        parts = composed_fields(world, seed)
    else:
        settings = SimulationSettings(**simulation_of(world))
        parts = {
            part: simulated_fields(part, count, settings, seed) for part, count in world["fields"].items()
        }
    for part, fields in parts.items():
        write_fields(folder / f"{part}.h5", fields, len(world_classes(world)), side)


def composed_fields(world: dict, seed: int) -> dict[str, list[TrueField]]:
    """Fields of real cells, made by the script beside the folder of cells; train and test share no mosaic of cells."""
    cells = ROOT / world["composed_of"]
    with tempfile.TemporaryDirectory() as made:
        counts = [str(world["fields"][part]) for part in ("train", "test")]
        command = [sys.executable, str(cells.parent / "compose.py"), str(cells), made, *counts, str(seed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {part: read_composed(Path(made, part)) for part in ("train", "test")}


def read_composed(folder: Path) -> list[TrueField]:
    """Fields of one data set that the script wrote."""
    fields = []
    csv.field_size_limit(1 << 24)
    with Path(folder / "truth.csv").open() as table:
        for row in csv.DictReader(table):
            planes = [
                cv2.imread(str(channel_path(folder / "images", row["ID"], name)), 0) for name in CHANNELS
            ]
            cells = cv2.imread(str(folder / "masks" / f"{row['ID']}_cells.png"), cv2.IMREAD_UNCHANGED)
            # The script writes one class and mask for each cell, in the order of their numbers.
            shown = [[int(label)] for label in row["PredictionString"].split()[::3]]
            fields.append(TrueField(row["ID"], np.dstack(planes), cells, shown))
    return fields

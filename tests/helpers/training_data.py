"""Small fields whose classes are distinguishable shapes, and training runs on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from puzzlecell.config.training import TrainingSettings, merged
from puzzlecell.data.store import write_shard
from puzzlecell.training.run import TrainingRun

CLASSES = ["blobs", "stripes", "dots"]
SIZE = 64
SMALL = {
    "network": {"backbone": "test_resnet", "pretrained": False, "output_stride": 16},
    "input": {"field_size": 64, "crop_size": 32},
    "augmentation": "light",
    "batch_size": 4,
    "epochs": 2,
    "optimiser": {"learning_rate": 1e-3},
}

# Every stateful component: exponential moving average, plateau schedule, dropout, accumulated gradients.
STATEFUL = {
    "network": {"drop_rate": 0.2},
    "ema": {"decay": 0.9},
    "schedule": {"kind": "plateau", "patience": 0, "warmup_epochs": 0.5},
    "optimiser": {"accumulate": 2, "clip_norm": 1.0},
    "augmentation": "reference",
    "epochs": 3,
}
STEPS = 3


def draw_field(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A field (SIZE, SIZE, 4) uint8 with the shapes of its classes in the green channel."""
    field = random.normal(30, 6, (SIZE, SIZE, 4))
    for number in np.flatnonzero(labels):
        for _ in range(3):
            y, x = random.integers(8, SIZE - 8, 2)
            height, width = ((6, 6), (1, 8), (2, 2))[number]
            field[y - height : y + height, x - width : x + width, 1] += (90, 140, 200)[number]
    return field.clip(0, 255).astype(np.uint8)


def write_fields(folder: Path, fields: int = 24, seed: int = 0) -> tuple[Path, pd.DataFrame]:
    """Write a shard of drawn fields and return it with its table; odd rows are fold 1, even rows fold 2."""
    random = np.random.default_rng(seed)
    labels = (random.random((fields, len(CLASSES))) < 0.4).astype(np.uint8)
    labels[labels.sum(1) == 0, 0] = 1
    ids = [f"f{number:02d}" for number in range(fields)]
    images = np.stack([draw_field(row, random) for row in labels])
    sides = np.full(fields, SIZE)
    write_shard(folder / "000.h5", ids, {"images": images, "height": sides, "width": sides}, {})
    table = pd.DataFrame(labels, columns=CLASSES)
    table.insert(0, "ID", ids)
    table["fold"] = np.where(np.arange(fields) % 2, 1, 2)
    return folder / "000.h5", table


def make_run(
    store: Path, table: pd.DataFrame, output: Path, changes: dict | None = None, **given
) -> TrainingRun:
    """A run of a very small network; `changes` modify its settings."""
    settings = TrainingSettings(**merged(SMALL, changes or {}))
    return TrainingRun(settings, CLASSES, [store], table, 1, output, **{"fingerprint": "a", **given})


def silent(done, total, text=""):
    """No progress."""


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model.safetensors")


def assert_equal(found: Path, expected: Path) -> None:
    """Assert bitwise equal weights and predictions, and equal histories except for timings."""
    left, right = weights(found), weights(expected)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    times = "^(seconds|fields_per_s|cells_per_s)$"
    histories = [pd.read_csv(folder / "history.csv") for folder in (found, expected)]
    histories = [table.drop(columns=table.filter(regex=times).columns) for table in histories]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert (found / "oof.csv").read_bytes() == (expected / "oof.csv").read_bytes()

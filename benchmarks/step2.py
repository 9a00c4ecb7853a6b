"""Step 2: cells one at a time, in plain PyTorch, against the library, with random weights and on one core.

The plain version hides the other cells, cuts the same crops, predicts each on its own and pools the maps under the
cell. Rounds of all versions alternate; printed are the medians of processor time, and of the ratios within a round.
Run: OMP_NUM_THREADS=1 python benchmarks/step2.py [--masks FOLDER] [--rounds 3]
--masks: label images (PNG) of real fields in place of simulated cells.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from step1 import example
from torch.nn.functional import interpolate

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.steps import Step2Settings
from puzzlecell.data.cell_crops import crop_geometry, numbered_boxes
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.inference.step2 import step2_table
from puzzlecell.network.cam_network import CamNetwork, load_network, save_network
from puzzlecell.runtime.malloc import keep_freed_memory

MARGIN = 0.05


def plain_step2(store: Path, masks: Path, model: Path, size: int) -> np.ndarray:
    """Probabilities (n, C) of all cells, in the order of the fields and of the cells' numbers."""
    network, canvas = load_network(model), -(-size // 64) * 32
    fields, labels = ShardReader([store]), ShardReader([masks])
    scores = []
    for field_id in fields.ids:
        image, cells = fields.read(field_id), labels.read(field_id, "cells")
        for number in np.unique(cells)[1:]:
            rows, columns = np.where(cells == number)
            low, high = (np.array([f(rows), f(columns)], float) for f in (np.min, np.max))
            margin = MARGIN * (high + 1 - low).max()
            low, high = np.floor(low - margin + 1e-6), np.ceil(high + 1 + margin - 1e-6)
            first, last = np.maximum(low, 0).astype(int), np.minimum(high, size).astype(int)
            window = np.s_[first[0] : last[0], first[1] : last[1]]
            visible = np.where(np.isin(cells, [0, number])[..., None], image, 0)
            origin = np.floor((low + high - canvas) / 2).astype(int)
            place = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, origin, strict=True))
            crop, share = np.zeros((canvas, canvas, 4), np.uint8), np.zeros((canvas, canvas), np.float32)
            crop[place], share[place] = visible[window], (cells == number)[window]
            with torch.no_grad():
                _, maps = network(torch.from_numpy(crop).permute(2, 0, 1).float()[None].contiguous())
                weights = interpolate(torch.from_numpy(share)[None, None], maps.shape[2:], mode="area")
                logits = (maps * weights).sum((2, 3)) / weights.sum()
            scores.append(torch.sigmoid(logits)[0].numpy())
    return np.stack(scores)


def library_step2(store: Path, masks: Path, model: Path, settings: Step2Settings) -> np.ndarray:
    return step2_table(store, masks, [model], settings).iloc[:, 2:].to_numpy()


def label_images(folder: Path | None, fields: int, cells: int, size: int) -> np.ndarray:
    """Label images (n, size, size) uint16, simulated or read and downsampled.

    Cells larger than the canvas, which the library shrinks and the plain version does not, are left out.
    """
    if folder is None:
        images = [example(1, cells, size, seed)[2] for seed in range(fields)]
    else:
        files = sorted(folder.glob("*.png"))[:fields]
        read = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
        images = [
            cv2.resize(one, (size, size), interpolation=cv2.INTER_NEAREST) for one in read if one is not None
        ]
    labels = np.stack(images).astype(np.uint16)
    geometry = crop_geometry(Step2Settings(margin=MARGIN), size, size)
    for one in labels:
        for number, box in numbered_boxes(one):
            if max(side.stop - side.start for side in box) * (1 + 2 * MARGIN) + 2 > geometry.canvas:
                one[one == number] = 0
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="seresnext50_32x4d")
    parser.add_argument("--masks", type=Path)
    for name, default in (("size", 512), ("fields", 4), ("cells", 22), ("stride", 32), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # For all versions, so that the plain one profits as well.
    keep_freed_memory()
    labels = label_images(given.masks, given.fields, given.cells, given.size)
    images = np.random.default_rng(0).integers(0, 256, (*labels.shape, 4), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        store, masks, model = (Path(folder) / name for name in ("s.h5", "m.h5", "m.safetensors"))
        ids = [f"field{number}" for number in range(len(labels))]
        write_shard(store, ids, {"images": images}, {})
        write_shard(masks, ids, {"cells": labels}, {})
        settings = NetworkSettings(backbone=given.backbone, pretrained=False, output_stride=given.stride)
        save_network(model, CamNetwork(settings, [str(n) for n in range(19)], given.size, 384))
        ours = partial(library_step2, store, masks, model)
        versions: dict[str, Callable[[], np.ndarray]] = {
            "one cell at a time": partial(plain_step2, store, masks, model, given.size),
            "library": partial(ours, Step2Settings(margin=MARGIN)),
            "bf16": partial(ours, Step2Settings(margin=MARGIN, precision="bf16")),
            "fitted": partial(ours, Step2Settings(margin=MARGIN, canvas="fitted")),
            "fitted, bf16": partial(ours, Step2Settings(margin=MARGIN, canvas="fitted", precision="bf16")),
        }
        seconds: dict[str, list[float]] = {name: [] for name in versions}
        scores = {}
        for _ in range(given.rounds):
            for name, version in versions.items():
                start = time.process_time()
                scores[name] = version()
                seconds[name].append((time.process_time() - start) / len(labels))
    print(f"{len(scores['library'])} cells in {len(labels)} fields of {given.size} pixels")
    for name, each in seconds.items():
        ratios = [np.median(np.array(seconds[base]) / each) for base in ("one cell at a time", "library")]
        print(
            f"{name:20s} {np.median(each):7.3f} CPU s per field, "
            f"{ratios[0]:5.2f} times as fast as one at a time, {ratios[1]:5.2f} as the library's default"
        )
    print(
        f"largest difference of plain and library: {np.abs(scores['one cell at a time'] - scores['library']).max():.1e}"
    )


if __name__ == "__main__":
    main()

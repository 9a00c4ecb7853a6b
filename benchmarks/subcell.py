"""SubCell end to end, from raw fields to probabilities of cells, against a file per cell, on one core.

The plain version works as a wrapper does that takes cropped cells: it writes each cell as a PNG, then reads the files
one at a time, scales them, and classifies them in batches of the same size. The network has the published sizes and
random weights. Printed are seconds of processor time per cell. Without the network, all cells are cut, several times.
Run: OMP_NUM_THREADS=1 python benchmarks/subcell.py [--fields 1 --cells 16 --rounds 1]
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

from puzzlecell.config.readers import SubCellSettings
from puzzlecell.data.cell_crops import numbered_boxes
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.inference.subcell import location_columns, outputs, subcell_crops, subcell_table
from puzzlecell.network.memory import channels_last
from puzzlecell.network.subcell import SubCell, load_subcell, save_subcell
from puzzlecell.network.subcell_file import VARIANTS, SubCellLayout
from puzzlecell.runtime.malloc import keep_freed_memory

PIXEL_UM, CROP_UM, BATCH, CUT_ROUNDS = 0.08, 50.0, 16, 5
SIDE = round(CROP_UM / PIXEL_UM)


class Fields:
    """Raw fields, their label images, and a network, in a folder."""

    def __init__(self, folder: Path, fields: int, cells: int, side: int, stored: int):
        self.folder, self.images = folder, folder / "images"
        self.weights, self.store, self.masks = (folder / name for name in ("s.safetensors", "s.h5", "m.h5"))
        self.images.mkdir()
        self.ids = [f"field{number}" for number in range(fields)]
        random = np.random.default_rng(0)
        labels = []
        for number, field_id in enumerate(self.ids):
            labels.append(example(1, cells, stored, number)[2])
            for channel in CHANNELS:
                # As smooth as a micrograph, with noise, which decides how well it is compressed.
                drawn = cv2.GaussianBlur(random.normal(size=(side, side)), (0, 0), 6)
                drawn = 90 + drawn * 800 + random.normal(0, 4, (side, side))
                cv2.imwrite(
                    str(self.images / f"{field_id}_{channel}.png"), drawn.clip(0, 255).astype(np.uint8)
                )
        images = np.zeros((fields, stored, stored, 4), np.uint8)
        write_shard(self.store, self.ids, {"images": images, **self._sizes(side)}, {})
        write_shard(self.masks, self.ids, {"cells": np.stack(labels)}, {})
        torch.manual_seed(0)
        save_subcell(self.weights, SubCell(SubCellLayout()))

    def _sizes(self, side: int) -> dict[str, np.ndarray]:
        return {name: np.full(len(self.ids), side) for name in ("height", "width")}

    @property
    def readers(self) -> tuple[ShardReader, ShardReader]:
        return ShardReader([self.store]), ShardReader([self.masks])


def plain_crops(data: Fields) -> list[np.ndarray]:
    """All cells (4, 448, 448) float32, each of which has been written to a file and read again."""
    _, masks = data.readers
    paths = []
    for field_id in data.ids:
        image = np.stack(
            [
                cv2.imread(str(data.images / f"{field_id}_{channel}.png"), cv2.IMREAD_UNCHANGED)
                for channel in CHANNELS
            ],
            axis=-1,
        )
        labels = masks.read(field_id, "cells")
        padded = np.pad(image, ((SIDE, SIDE), (SIDE, SIDE), (0, 0)))
        factor = len(image) / len(labels)
        for number in np.unique(labels)[1:]:
            places = np.where(labels == number)
            y, x = ((place.min() + place.max() + 1) / 2 * factor - SIDE / 2 for place in places)
            y, x = round(y) + SIDE, round(x) + SIDE
            paths.append(data.folder / f"{field_id}_{number}.png")
            cv2.imwrite(str(paths[-1]), padded[y : y + SIDE, x : x + SIDE])
    crops = []
    for path in paths:
        crop = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32)
        crop = cv2.resize(crop, (448, 448), interpolation=cv2.INTER_AREA)
        crop = crop[..., [CHANNELS.index(channel) for channel in VARIANTS["rybg"]]].transpose(2, 0, 1)
        low, high = crop.min(axis=(1, 2), keepdims=True), crop.max(axis=(1, 2), keepdims=True)
        crops.append((crop - low) / (high - low))
    return crops


def plain_subcell(data: Fields) -> np.ndarray:
    """Probabilities (n, 31) of all cells."""
    network, crops = load_subcell(data.weights), plain_crops(data)
    found = []
    for first in range(0, len(crops), BATCH):
        with torch.inference_mode():
            found.append(network(torch.from_numpy(np.stack(crops[first : first + BATCH])))[0].numpy())
    return np.concatenate(found)


def library_crops(data: Fields) -> list[np.ndarray]:
    cells = subcell_crops(
        *data.readers, settings(), SubCellLayout(), pixel_sizes=PixelSizes(PIXEL_UM), images=data.images
    )
    return [crop for _, _, crop in cells]


def library_subcell(data: Fields, given: SubCellSettings) -> np.ndarray:
    members = [[index] for index in range(31)]
    table = subcell_table(
        data.store,
        data.masks,
        data.weights,
        given,
        members=members,
        pixel_sizes=PixelSizes(PIXEL_UM),
        images=data.images,
    )
    return table[location_columns()].to_numpy()


def settings(**given: object) -> SubCellSettings:
    return SubCellSettings(
        kind="subcell",
        weights="weights.safetensors",
        crop_um=CROP_UM,
        mask="none",
        scaling="channel",
        batch_size=BATCH,
        **given,
    )


def timed(versions: dict[str, Callable[[], object]], cells: int, rounds: int) -> dict[str, float]:
    """Median seconds of processor time per cell of versions whose rounds alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(rounds):
        for name, version in versions.items():
            start = time.process_time()
            version()
            seconds[name].append((time.process_time() - start) / cells)
    return {name: float(np.median(each)) for name, each in seconds.items()}


def show(title: str, seconds: dict[str, float], base: str) -> None:
    print(title)
    for name, each in seconds.items():
        print(
            f"  {name:34s} {each:8.4f} CPU s, {1 / each:8.3f} cells per s, {seconds[base] / each:6.2f} times"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("fields", 1), ("cells", 16), ("side", 2048), ("stored", 512), ("rounds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # For all versions, so that the plain one profits as well.
    keep_freed_memory()
    bf16 = (
        torch.backends.cpu.get_cpu_capability() != "DEFAULT" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Fields(Path(folder), given.fields, given.cells, given.side, given.stored)
        _, masks = data.readers
        count = sum(len(numbered_boxes(masks.read(field_id, "cells"))) for field_id in data.ids)
        print(f"{count} cells in {given.fields} fields of {given.side} pixels, crops of {SIDE} pixels")
        cut = {"a file per cell": partial(plain_crops, data), "library": partial(library_crops, data)}
        show("cutting alone", timed(cut, count, CUT_ROUNDS), "a file per cell")

        found: dict[str, np.ndarray] = {}

        def kept(name: str, version: Callable[[], np.ndarray]) -> Callable[[], None]:
            return lambda: found.update({name: version()})

        whole = {
            "a file per cell": partial(plain_subcell, data),
            "library": partial(library_subcell, data, settings()),
        }
        if bf16:
            whole["library, bf16"] = partial(library_subcell, data, settings(precision="bf16"))
        versions = {name: kept(name, version) for name, version in whole.items()}
        show("end to end", timed(versions, count, given.rounds), "a file per cell")
        for name in [name for name in whole if name != "a file per cell"]:
            print(
                f"  largest difference of {name}: {np.abs(found[name] - found['a file per cell']).max():.1e}"
            )

        network, crops = load_subcell(data.weights), np.stack(library_crops(data)[:8])
        last = channels_last(load_subcell(data.weights))
        turned = np.ascontiguousarray(crops.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

        def in_channels_last() -> None:
            with torch.inference_mode():
                last(torch.from_numpy(turned))

        layouts = {
            "channels first": lambda: outputs(network, crops, "cpu"),
            "channels last": in_channels_last,
        }
        show(
            f"the network alone, {len(crops)} cells",
            timed(layouts, len(crops), given.rounds),
            "channels first",
        )


if __name__ == "__main__":
    main()

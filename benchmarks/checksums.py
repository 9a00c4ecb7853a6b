"""Cost of the checksums: processor time of reading each kind of file with its checksum checked, and without.

Plain: what the readers did before there were checksums, with the library of each format. Ours: the readers of the
project. The last line is the rate of `puzzlecell verify` on one core, in bytes of the files.
Run: python benchmarks/checksums.py [--fields 200 --repeats 9]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from safetensors.torch import load_file

from puzzlecell.config.network import NetworkSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.resize import resize_field
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import (
    TEXT_COLUMNS,
    probability_columns,
    read_csv,
    read_parquet,
    write_csv,
    write_parquet,
)
from puzzlecell.data.verify import verify_file
from puzzlecell.network.cam_network import CamNetwork, load_network, save_network
from puzzlecell.simulate.field import simulate_field

ROWS = 200_000


def best_pair(
    plain: Callable[[], object], checked: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Smallest processor time of both functions in seconds, called in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for function, found in zip((plain, checked), times, strict=True):
            started = time.process_time()
            function()
            found.append(time.process_time() - started)
    return min(times[0]), min(times[1])


def main() -> None:
    """Write one file of each kind, read it both ways and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.fields, options.repeats)


def measure(folder: Path, fields: int, repeats: int) -> None:
    """Print a line for each kind of file."""
    sizes = []
    for size in (256, 512):
        settings = SimulationSettings(fields=20, size=size)
        images = np.stack([simulate_field("bench", number, settings, seed=1).image for number in range(20)])
        ids = [f"field{number}" for number in range(fields)]
        path = folder / f"{size}.h5"
        write_shard(path, ids, {"images": resized(images)[np.arange(fields) % len(images)]}, {})
        sizes.append(path)
        reader = ShardReader([path])
        with h5py.File(path) as file:
            plain = partial(read_rows, file["images"])
            show(
                f"store, fields of {size} pixels", *best_pair(plain, partial(read_ids, reader, ids), repeats)
            )

    random = np.random.default_rng(1)
    table = pd.DataFrame(random.random((ROWS, 19), np.float32), columns=probability_columns(19))
    table.insert(0, "ID", [f"field{row // 20}" for row in range(ROWS)])
    write_parquet(folder / "cells.parquet", table)
    write_csv(folder / "oof.csv", table)
    plain_csv = partial(
        pd.read_csv, folder / "oof.csv", dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False
    )
    pairs = {
        "Parquet": tuple(partial(read, folder / "cells.parquet") for read in (pd.read_parquet, read_parquet)),
        "CSV": (plain_csv, partial(read_csv, folder / "oof.csv")),
    }
    for name, pair in pairs.items():
        show(f"{name}, {ROWS} cells", *best_pair(*pair, min(repeats, 5)))

    network = folder / "model.safetensors"
    settings = NetworkSettings(backbone="seresnext50_32x4d", pretrained=False)
    save_network(network, CamNetwork(settings, [str(number) for number in range(19)], 512, 384))
    pair = partial(plain_network, network, settings), partial(load_network, network)
    show("safetensors, SE-ResNeXt-50", *best_pair(*pair, min(repeats, 5)))

    started = time.perf_counter()
    total = sum(verify_file(path).size for path in sizes)
    print(f"verify: {total / (time.perf_counter() - started) / 1e6:.0f} MB/s of HDF5 on one core")


def resized(images: np.ndarray) -> np.ndarray:
    """Fields as the store holds them, uint8."""
    return np.stack([resize_field(image, image.shape[0]) for image in images])


def read_rows(dataset: h5py.Dataset) -> list[np.ndarray]:
    """Read all fields without checks."""
    return [dataset[row] for row in range(len(dataset))]


def read_ids(reader: ShardReader, ids: list[str]) -> list[np.ndarray]:
    """Read all fields by ID, with checks."""
    return [reader.read(field_id) for field_id in ids]


def plain_network(path: Path, settings: NetworkSettings) -> CamNetwork:
    """Build a network and load its weights without checks."""
    network = CamNetwork(settings, [str(number) for number in range(19)], 512, 384)
    network.load_state_dict(load_file(path))
    return network.eval()


def show(name: str, plain: float, checked: float) -> None:
    """Print seconds and their ratio."""
    print(
        f"{name:32} plain {plain * 1e3:8.2f} ms, checked {checked * 1e3:8.2f} ms, ratio {checked / plain:.3f}"
    )


if __name__ == "__main__":
    main()

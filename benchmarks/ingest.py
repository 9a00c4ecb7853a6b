"""Ingest: seconds per field of 2048 x 2048, a plain version of the published dump against ours, writing included.

Plain, written from its description: PIL -> float64 in [0, 1] -> `skimage.transform.resize` with anti-aliasing, channel
by channel (faster than all four together) -> float32 HDF5, a dataset per ID. Ours: `ingest_shard`, damage check,
checksums and list of rejected fields included.

The fields are real ones of the Human Protein Atlas, 8 bit, from the folder given by --images, else simulated ones. The
16-bit ones are made of them: times 257, with Gaussian noise of 20 grey levels, which makes their low bits as random as
those of a camera. CPU time, best of several runs; --threads compares times of the clock, which other work disturbs.
Run: OMP_NUM_THREADS=1 python benchmarks/ingest.py [--images FOLDER --repeats 3 --threads 2]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import h5py
import numpy as np
from PIL import Image
from skimage.transform import resize
from threadpoolctl import threadpool_limits

from puzzlecell.config.datasets import IngestSettings
from puzzlecell.config.simulation import SimulationSettings
from puzzlecell.data.fields import read_field
from puzzlecell.data.ingest import ingest_shard
from puzzlecell.data.png import png_problem, read_header
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.resize import resize_field
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.simulate.field import simulate_field

REAL = Path(__file__).parents[2] / "shared/data/hpa_fields"
RAW, STORED = 2048, 512
NOISE = 20


def real_fields(images: Path) -> dict[str, np.ndarray]:
    """The 8-bit fields of 2048 x 2048 pixels in a folder, by ID."""
    ids = sorted(path.name.removesuffix("_red.png") for path in images.glob("*_red.png"))
    headers = {field_id: read_header(channel_path(images, field_id, "red")) for field_id in ids}
    return {
        field_id: read_field(images, field_id)
        for field_id, header in headers.items()
        if (header.height, header.width, header.bit_depth) == (RAW, RAW, 8)
    }


def simulated_fields() -> dict[str, np.ndarray]:
    """Three 8-bit fields of the simulation, by ID."""
    settings = SimulationSettings(size=RAW)
    fields = [simulate_field("benchmark", number, settings, 1) for number in range(3)]
    return {field.id: (field.image >> 8).astype(np.uint8) for field in fields}


def write_raw(folder: Path, fields: dict[str, np.ndarray], depth: int) -> None:
    """Write fields as PNGs with 8 or 16 bits per pixel."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    for field_id, field in fields.items():
        for number, channel in enumerate(CHANNELS):
            plane = field[..., number]
            if depth == 16:
                grainy = plane * 257.0 + noise.normal(0, NOISE, plane.shape)
                plane = grainy.clip(0, 65535).astype(np.uint16)
            cv2.imwrite(str(channel_path(folder, field_id, channel)), np.ascontiguousarray(plane))


def plain_field(images: Path, field_id: str) -> np.ndarray:
    """Read and resize a field, (512, 512, 4) float32."""
    planes = []
    for channel in CHANNELS:
        pixels = np.array(Image.open(channel_path(images, field_id, channel)))
        planes.append(resize(pixels / np.iinfo(pixels.dtype).max, (STORED, STORED), anti_aliasing=True))
    return np.stack(planes, axis=-1).astype(np.float32)


def plain_ingest(path: Path, images: Path, ids: list[str]) -> None:
    """Write all fields as published."""
    with h5py.File(path, "w") as file:
        for field_id in ids:
            file.create_dataset(field_id, data=plain_field(images, field_id))


def best(
    works: list[Callable[[], object]], repeats: int, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Fewest seconds that each of several calls took; they take turns, so that other work disturbs all alike."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, found in zip(works, seconds, strict=True):
            started = clock()
            work()
            found.append(clock() - started)
    return [min(found) for found in seconds]


def compare(folder: Path, images: Path, ids: list[str], repeats: int) -> str:
    """Measure both ways; return the lines of the report for these fields."""
    store, plain = folder / "store.h5", folder / "plain.h5"
    settings = IngestSettings(size=STORED)

    def ours() -> None:
        ingest_shard(store, folder / "rejected.csv", images, ids, settings)

    both = best([lambda: plain_ingest(plain, images, ids), ours], repeats)
    seconds = dict(zip(("plain", "ours"), (found / len(ids) for found in both), strict=True))
    reader = ShardReader([store])
    with h5py.File(plain) as file:
        stored = {field_id: file[field_id][()] for field_id in ids}
    # As training read them: 255 x, floor; a thousandth for what float32 rounds down from a whole number.
    differences = [
        np.abs(reader.read(field_id) - np.floor(stored[field_id] * 255.0 + 1e-3)).max() for field_id in ids
    ]
    sizes = [path.stat().st_size / len(ids) / 1e6 for path in (plain, store)]
    return (
        f"plain {seconds['plain']:.3f} s, ours {seconds['ours']:.3f} s: {seconds['plain'] / seconds['ours']:.2f} x; "
        f"{sizes[0]:.2f} and {sizes[1]:.3f} MB: 1 / {sizes[0] / sizes[1]:.1f}; "
        f"largest difference {max(differences):.0f} of 255"
    )


def parts(folder: Path, images: Path, ids: list[str], repeats: int) -> str:
    """Seconds per field of the parts of ours."""
    paths = [channel_path(images, field_id, channel) for field_id in ids for channel in CHANNELS]
    fields = [read_field(images, field_id) for field_id in ids]
    stored = np.stack([resize_field(field, STORED) for field in fields])
    works: dict[str, Callable[[], object]] = {
        "damage check": lambda: [png_problem(path) for path in paths],
        "reading, with the check": lambda: [read_field(images, field_id) for field_id in ids],
        "resizing": lambda: [resize_field(field, STORED) for field in fields],
        "writing": lambda: write_shard(folder / "part.h5", ids, {"images": stored}, {}),
    }
    seconds = best(list(works.values()), repeats)
    return ", ".join(f"{name} {found / len(ids):.4f} s" for name, found in zip(works, seconds, strict=True))


def threads(folder: Path, images: Path, ids: list[str], most: int, repeats: int) -> str:
    """Fields per second by the clock with 1 and more threads, and the share of the work that only one of them does."""

    def ingest(count: int) -> None:
        paths = folder / "threads.h5", folder / "rejected.csv"
        ingest_shard(*paths, images, ids * 4, IngestSettings(size=STORED), threads=count)

    counts = range(1, most + 1)
    works = [partial(ingest, count) for count in counts]
    rates = [4 * len(ids) / found for found in best(works, repeats, time.perf_counter)]
    # This thread only writes what the others have resized.
    alone, everything = time.thread_time(), time.process_time()
    ingest(2)
    share = (time.thread_time() - alone) / (time.process_time() - everything)
    shown = [f"{count}: {rate:.1f} fields/s" for count, rate in zip(counts, rates, strict=True)]
    return f"{', '.join(shown)} ({rates[-1] / rates[0]:.2f} x); done by one thread alone: {100 * share:.1f} %"


def main() -> None:
    """Print the comparison for both bit depths."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=REAL, help="folder with 8-bit fields of 2048 x 2048")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    fields = real_fields(options.images) or simulated_fields()
    cv2.setNumThreads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for depth in (8, 16):
            images = folder / str(depth)
            write_raw(images, fields, depth)
            given = folder, images, list(fields)
            print(f"ingest, {depth} bit: {compare(*given, options.repeats)}", flush=True)
            print(f"ingest, {depth} bit, parts of ours: {parts(*given, options.repeats)}", flush=True)
            print(
                f"ingest, {depth} bit, threads: {threads(*given, options.threads, options.repeats)}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Files for other tools: time, size and peak memory of AnnData and CSV for more and more cells.

Cells are made up, 20,000 in 1,000 fields of each shard. Each file is written in a process of its own, so that its peak
memory can be told. Run: OMP_NUM_THREADS=1 python benchmarks/export.py [cells ...]
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import probability_columns, probability_table, write_parquet
from puzzlecell.formats.cell_csv import export_csv
from puzzlecell.formats.h5ad import RunFacts, export_h5ad

CELLS = (20_000, 100_000, 1_000_000)
PER_SHARD, PER_FIELD = 20_000, 20
CLASSES = read_classes(Path(__file__).parents[1] / "config/classes.csv")
MEMBERS = (1, 1, 2)


def write_run(folder: Path, cells: int) -> None:
    """Write the files of a run with so many cells."""
    random = np.random.default_rng(1)
    answers = []
    for shard in range(cells // PER_SHARD):
        fields = [f"plate{shard}_{number}" for number in range(PER_SHARD // PER_FIELD)]
        sides = np.full(len(fields), 2048)
        columns = {"height": sides, "width": sides, "pixel_size_um": np.full(len(fields), 0.08)}
        write_shard(folder / f"{shard}.h5", fields, columns, {})
        keys = {"ID": np.repeat(fields, PER_FIELD), "cell": np.tile(np.arange(1, PER_FIELD + 1), len(fields))}
        table = pd.DataFrame(keys)
        for name in ("centroid_y", "centroid_x", "border_quality", "outlier_quality"):
            table[name] = random.random(PER_SHARD)
        write_parquet(folder / f"{shard}.cells.parquet", table)
        values = random.random((PER_SHARD, len(CLASSES)), np.float32)
        for member in range(len(MEMBERS)):
            write_parquet(folder / f"{shard}.{member}.parquet", probability_table(keys, values))
        answer = pd.concat([table, pd.DataFrame(values, columns=probability_columns(len(CLASSES)))], axis=1)
        answers.append(answer.assign(well=np.repeat([f"W{shard}"], PER_SHARD)))
    write_parquet(folder / "answer.parquet", pd.concat(answers, ignore_index=True))


def export(kind: str, folder: Path, cells: int) -> None:
    """Write one file and print seconds, bytes and the peak memory of this process in MB."""
    shards = range(cells // PER_SHARD)
    path, started = folder / f"answer.{kind}", time.perf_counter()
    if kind == "h5ad":
        export_h5ad(
            path,
            folder / "answer.parquet",
            stores=[folder / f"{shard}.h5" for shard in shards],
            cell_tables=[folder / f"{shard}.cells.parquet" for shard in shards],
            members=[
                (step, [folder / f"{shard}.{member}.parquet" for shard in shards])
                for member, step in enumerate(MEMBERS)
            ],
            embeddings={},
            pixel_sizes=PixelSizes(),
            classes=CLASSES,
            facts=RunFacts({}, {}),
            progress=lambda done, total, text="": None,
        )
    else:
        export_csv(path, folder / "answer.parquet", CLASSES, lambda done, total, text="": None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - started, path.stat().st_size, peak)


def main(counts: tuple[int, ...]) -> None:
    print("| cells | file | seconds | MB | peak memory (MB) |\n|---|---|---|---|---|")
    for cells in counts:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            # In a process of its own too: memory of a parent counts as the peak of its children when they begin.
            run("write", folder, cells)
            for kind in ("h5ad", "csv.gz"):
                seconds, size, peak = map(float, run(kind, folder, cells).split())
                print(f"| {cells:,} | {kind} | {seconds:.1f} | {size / 1e6:.1f} | {peak:.0f} |", flush=True)


def run(what: str, folder: Path, cells: int) -> str:
    return subprocess.run(
        [sys.executable, __file__, "--do", what, folder, str(cells)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


if __name__ == "__main__":
    if sys.argv[1:2] == ["--do"]:
        what, place, count = sys.argv[2:]
        if what == "write":
            write_run(Path(place), int(count))
        else:
            export(what, Path(place), int(count))
    else:
        main(tuple(map(int, sys.argv[1:])) or CELLS)

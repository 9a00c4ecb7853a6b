"""Cost of planning: a dry run of the full recipe with all its raw files, and the process of one job on a cluster.

Every job of a cluster is a process that reads the Snakefile again and plans its one job (with SLURM two, one inside the
other). Measured as the executor for SLURM starts it, but with `-n`: all that happens before the script.
Beside it the floor, the same command with a Snakefile of one empty rule; and, as Snakemake imports every plugin that is
installed, both again in copies of this environment without plugins and with that for SLURM only.

Raw files: each way to look at all of them. Plain: with `pathlib`, as first written; at least: one `os.stat` call for
each path and nothing else; scan: `os.scandir` and the `stat` of its entries. Ours: the digests of all shards.

Check of the headers of all raw files before the first job: a first start, and a second one that remembers them, each in
a process of its own, with all cores.

The times are those of the processor, the best of several runs; everything is in the cache of the file system.
Run: python benchmarks/planning.py [--fields 109000 --repeats 5]
"""

import argparse
import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from puzzlecell.data.field_sources import RawDataset
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.source_states import shard_digest

ROOT = Path(__file__).parents[1]
RECIPE = "config/hpa2021.yaml"
# Fields and shards of the data sets of the recipe.
DATASETS = {
    "train": (21806, 16),
    "external": (67000, 48),
    "hpa2018": (9500, 8),
    "holdout": (10135, 8),
    "test": (559, 4),
}
JOBS = {
    "ingest": "ingest:ds=external,sh=000",
    "train": "train:model=seresnext50,stage=stage3,fold=1",
    "submission": "submission:",
}
# The check as the Snakefile calls it; the arguments are the names of the data sets.
CHECK = """
import sys
from puzzlecell.config.class_table import read_classes
from puzzlecell.data.checks import RawDataset, dataset_problems
from puzzlecell.runtime.threads import available_cores
given = {name: RawDataset(f"data/{name}/images", f"data/{name}/labels.csv", name != "test") for name in sys.argv[1:]}
classes = read_classes("config/classes.csv")
threads = min(16, available_cores())
problems = dataset_problems(given, classes, 0.0, threads, max_megapixels=100, memory=".snakemake/headers")
assert not problems, problems
"""
EMPTY = 'rule {rule}:\n    output: "{rule}/{{any}}"\n    script: "empty.py"\n'
# Libraries that Snakemake imports if a plugin has brought them along.
OF_PLUGINS = ("boto3", "botocore", "kubernetes")


@dataclass(frozen=True)
class Cost:
    """Processor time and time of a process and its children (s), and its peak memory (MB)."""

    processor: float
    wall: float
    memory: float


def cost(command: list[str], folder: Path, path: str, repeats: int) -> Cost:
    """Run a command several times; the run that took the least processor time. path: its PYTHONPATH."""
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    # Modules that were not compiled would be compiled in each run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryFile() as output:
            started = time.perf_counter()
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if status:
                output.seek(0)
                raise SystemExit(f"{' '.join(command)}\n{output.read().decode()}")
        found.append(Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1000))
    return min(found, key=lambda one: one.processor)


def write_data(folder: Path, fields: int) -> None:
    """Write the raw files of the recipe: one tiny image per field, linked to for each channel."""
    png = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    total = sum(count for count, _ in DATASETS.values())
    for name, (count, _) in DATASETS.items():
        images = folder / "data" / name / "images"
        images.mkdir(parents=True)
        ids = [
            hashlib.md5(f"{name}{number}".encode()).hexdigest() for number in range(count * fields // total)
        ]
        rows = ["ID"] if name == "test" else ["ID,Label"]
        rows += ids if name == "test" else [f"{field_id},{len(field_id) % 19}|16" for field_id in ids]
        (images.parent / "labels.csv").write_text("\n".join(rows) + "\n")
        for field_id in ids:
            first = images / f"{field_id}_{CHANNELS[0]}.png"
            first.write_bytes(png)
            for channel in CHANNELS[1:]:
                (images / f"{field_id}_{channel}.png").hardlink_to(first)


def write_environment(folder: Path, plugins: str) -> str:
    """Make a copy, by links, of the installed packages with some plugins of Snakemake only; its PYTHONPATH.

    plugins: what the names of these plugins contain, such as `slurm`; empty: none are left.
    """
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        is_plugin = path.name.startswith("snakemake_") and "_plugin_" in path.name
        left_out = is_plugin and (not plugins or plugins not in path.name)
        if path.suffix != ".pth" and not left_out and not path.name.startswith(OF_PLUGINS):
            (folder / path.name).symlink_to(path)
    return f"{ROOT / 'src'}:{folder}"


def job_arguments(rule: str, target: str, snakefile: Path) -> list[str]:
    """Arguments of the process of a job, as the executor plugin for SLURM passes them."""
    given = "--cores all --attempt 1 --force-use-threads --force --target-files-omit-workdir-adjustment"
    given += " --max-inventory-time 0 --retries 0 --nocolor --no-hooks --nolock --ignore-incomplete"
    given += " --rerun-triggers input mtime code software-env params --latency-wait 5 --mode remote -n"
    job = ["--snakefile", str(snakefile), "--target-jobs", target, "--allowed-rules", rule]
    return ["-m", "snakemake", *job, *given.split()]


def raw_paths() -> Iterator[tuple[str, list[str]]]:
    """Folder of images and IDs of each data set, from its table."""
    for name in DATASETS:
        rows = Path("data", name, "labels.csv").read_text().splitlines()[1:]
        yield f"data/{name}/images", [row.split(",")[0] for row in rows]


def look_plainly() -> list[str]:
    """The digests of all shards, each with its own pass over the IDs, with `pathlib`."""
    digests = []
    for (folder, ids), (_, shards) in zip(raw_paths(), DATASETS.values(), strict=True):
        for shard in range(shards):
            digest = hashlib.sha256()
            for field_id in ids:
                if zlib.crc32(field_id.encode()) % shards == shard:
                    for channel in CHANNELS:
                        path = Path(folder) / f"{field_id}_{channel}.png"
                        status = Path(path).stat()
                        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
            digests.append(digest.hexdigest()[:16])
    return digests


def look_least() -> None:
    """One call of `os.stat` for each file: `Path.stat`, which ruff wants, would make a path of each as well."""
    for folder, ids in raw_paths():
        for field_id in ids:
            for channel in CHANNELS:
                os.stat(f"{folder}/{field_id}_{channel}.png")  # noqa: PTH116


def scan() -> dict[str, tuple[int, int]]:
    """Size and time of each file, from a scan of its folder."""
    found = {}
    for folder, _ in raw_paths():
        with os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat()
                found[entry.path] = status.st_size, status.st_mtime_ns
    return found


def look() -> list[str]:
    """The digests of all shards, as planning computes them."""
    return [
        shard_digest(RawDataset(f"data/{name}/images", f"data/{name}/labels.csv", False), shard, shards)
        for name, (_, shards) in DATASETS.items()
        for shard in range(shards)
    ]


def best(function: Callable[[], object], repeats: int) -> float:
    """Smallest processor time of a function, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Write the raw files and print all costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=109_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "run")
        write_data(folder, options.fields)
        (folder / "config").symlink_to(ROOT / "config")
        measure(folder, options.repeats)


def measure(folder: Path, repeats: int) -> None:
    """Print a line for each measured command and way."""
    configured = ["--configfile", RECIPE]
    dry_run = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "-n", "results/submission.csv"]
    installed = partial(cost, folder=folder, path=str(ROOT / "src"), repeats=repeats)
    show("dry run of the full recipe", installed([sys.executable, *dry_run, *configured]))
    environments = {
        "all installed plugins": (str(ROOT / "src"), []),
        # Without -S, the installed packages would be found as well.
        "plugin for SLURM": (write_environment(folder.parent / "slurm", "slurm"), ["-S"]),
        "no plugins": (write_environment(folder.parent / "none", ""), ["-S"]),
    }
    (folder / "empty.py").write_text("")
    for environment, (path, flags) in environments.items():
        run = partial(cost, folder=folder, path=path, repeats=repeats)
        (folder / "Empty").write_text(EMPTY.format(rule="one"))
        empty = job_arguments("one", "one:any=file", folder / "Empty")
        show(f"floor, {environment}", run([sys.executable, *flags, *empty]))
        for rule, target in JOBS.items():
            arguments = job_arguments(rule, target, ROOT / "Snakefile")
            show(
                f"job of {rule}, {environment}",
                run([sys.executable, *flags, *arguments, *configured]),
            )
    check = [sys.executable, "-c", CHECK]
    show("check of headers: imports", installed([*check]))
    for start in ("first", "second"):
        found = cost([*check, *DATASETS], folder, str(ROOT / "src"), 1)
        show(f"check of headers: {start} start", found)
    os.chdir(folder)
    assert look() == look_plainly()
    ways = {"plain": look_plainly, "at least": look_least, "scan": scan, "ours": look}
    for name, way in ways.items():
        print(f"raw files, {name:33} {best(way, min(repeats, 3)):5.2f} s")


def show(name: str, found: Cost) -> None:
    """Print a line of the table."""
    print(f"{name:44} {found.processor:5.2f} s, {found.wall:5.2f} s of wall time, {found.memory:4.0f} MB")


if __name__ == "__main__":
    main()

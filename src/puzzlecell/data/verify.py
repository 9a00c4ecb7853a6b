"""Check the files of a run against their checksums."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from puzzlecell.data.png import png_problem
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import DamagedFileError
from puzzlecell.runtime.checksums import checksum_path, read_sealed, read_text

SEALED = {".parquet", ".safetensors", ".ckpt"}
UNCHECKED = {".log", ".tsv", ".checksum"}
"""Logs, benchmarks of Snakemake, and the checksums of CSVs, which are checked with their CSV."""


@dataclass(frozen=True)
class Verified:
    """Result for one file: its size in bytes, and what is wrong with it.

    problem: None for an intact file. checked: False for a file that has no checksum.
    """

    path: Path
    size: int
    problem: str | None = None
    checked: bool = True


def verify_folder(folder: str | os.PathLike, processes: int = 1) -> Iterator[Verified]:
    """Check all files in a folder and its subfolders, in the order of their paths.

    HDF5, Parquet, safetensors, saved states and CSVs are compared with their checksums; of PNGs, the checksums of the
    format are checked. Logs and hidden files are left out. Raises NotADirectoryError if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in UNCHECKED and not path.name.startswith(".")
    )
    if processes == 1:
        yield from map(verify_file, paths)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(verify_file, paths, chunksize=4)


def verify_file(path: Path) -> Verified:
    """Check one file."""
    size, problem = path.stat().st_size, None
    try:
        if path.suffix == ".h5":
            reader = ShardReader([path])
            for field_id in reader.ids:
                for name in reader.image_names:
                    reader.read(field_id, name)
        elif path.suffix in SEALED:
            read_sealed(path)
        elif path.suffix == ".csv" and checksum_path(path).exists():
            read_text(path)
        elif path.suffix == ".png":
            problem = png_problem(path)
        else:
            return Verified(path, size, checked=False)
    except DamagedFileError as error:
        problem = error.found
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    return Verified(path, size, problem)

"""Check the files of a run against their checksums."""

import json
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from puzzlecell.data.embedding_file import EmbeddingReader, is_embedding_file
from puzzlecell.data.png import png_problem
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.checksums import check_place, check_text, checksum_path, place_in_results, read_sealed
from puzzlecell.runtime.orphans import end_with_parent

CHECKED = {".h5", ".parquet", ".safetensors", ".ckpt", ".csv", ".png", ".js", ".webp", ".checksum"}
ELSEWHERE = {".log", ".tsv", ".html", ".css"}
"""Logs, benchmarks of Snakemake, and the pages of the viewer, which are copies of those of the package."""
PROGRAMS = "view/js"
"""Folder of the scripts of these pages."""


@dataclass(frozen=True)
class Verified:
    """Result for one file: its size in bytes, and what is wrong with it.

    problem: None for an intact file. checked: False for a file of another kind, which has no checksum. own: the file
    may be the user's own, so it must not be deleted without a look: a table without a checksum.
    """

    path: Path
    size: int = 0
    problem: str | None = None
    checked: bool = True
    own: bool = False


def verify_folder(
    folder: str | os.PathLike, processes: int = 1, left_out: Collection[Path] = ()
) -> Iterator[Verified]:
    """Check all files in a folder and its subfolders, in the order of their paths.

    HDF5, Parquet, safetensors, saved states, CSVs and other files with a checksum beside them are compared with it, and
    with the place that they were written to; of PNGs, the checksums of the format are checked, of WebPs whether they
    are complete. Logs, hidden files and the pages of the viewer are left out. A file that is missing altogether is not
    noticed. left_out: files and whole folders that are not looked at. Raises UserError if there is no such folder, or
    no file with a checksum in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if _is_checked(path) and not any(path.is_relative_to(other) for other in left_out)
    )
    if not any(path.suffix in CHECKED for path in paths):
        raise UserError(f"{folder}: no results in this folder; expected one such as results/")
    processes = min(processes, len(paths))
    if processes == 1:
        yield from map(verify_file, paths)
        return
    with ProcessPoolExecutor(processes, initializer=end_with_parent) as pool:
        yield from pool.map(verify_file, paths, chunksize=4)


def _is_checked(path: Path) -> bool:
    """Whether a path is looked at: all but ordinary folders, logs, hidden files and pages."""
    if path.name.startswith(".") or path.suffix in ELSEWHERE or path.parent.as_posix().endswith(PROGRAMS):
        return False
    return path.suffix in CHECKED or not path.is_dir()


def verify_file(path: Path) -> Verified:
    """Check one file."""
    own = path.suffix == ".csv" and not checksum_path(path).exists()
    unknown = path.suffix not in CHECKED and not checksum_path(path).exists()
    if unknown or (own and "results" not in path.absolute().parts):
        return Verified(path, checked=False)
    problem = file_problem(path)
    if problem:
        return Verified(path, problem=problem)
    try:
        problem = _problem(path)
    except UserError as error:
        problem = getattr(error, "found", str(error))
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    return Verified(path, path.stat().st_size, problem, own=own)


def _problem(path: Path) -> str | None:
    """Read a file in full; return what is wrong with it, or raise."""
    if path.suffix == ".h5" and is_embedding_file(path):
        for _ in EmbeddingReader(path).blocks():
            pass
    elif path.suffix == ".h5":
        reader = ShardReader([path])
        for field_id in reader.ids:
            for name in reader.image_names:
                reader.read(field_id, name)
    elif path.suffix == ".parquet":
        read_parquet(path, [])
    elif path.suffix == ".csv" or path.suffix not in CHECKED:
        check_text(path)
    elif path.suffix == ".checksum":
        if not path.with_suffix("").exists():
            return f"there is no {path.stem} beside it"
    elif path.suffix == ".png":
        return png_problem(path)
    elif path.suffix == ".webp":
        return _webp_problem(path)
    else:
        content = read_sealed(path)
        if path.suffix == ".safetensors":
            check_place(path, _written_in(content), place_in_results(path.parent))
    return None


def _webp_problem(path: Path) -> str | None:
    """Why a WebP is not complete: its header says how long it is. It has no checksum."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        return "not a WebP"
    expected, found = 8 + int.from_bytes(head[4:8], "little"), path.stat().st_size
    return None if found == expected else f"found {found} bytes, expected {expected}"


def _written_in(content: bytes) -> str:
    """Folder in `results` that a network was written to; empty for weights from elsewhere."""
    end = 8 + int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8:end])["__metadata__"].get("puzzlecell", "{}")
    return json.loads(metadata).get("place", "")

"""Bundles as zip files: written the same way each time, read without trusting anything in them."""

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from puzzlecell.bundle.manifest import (
    MOST_BYTES,
    NAME,
    BundleError,
    Listed,
    is_plain_name,
    listed_files,
    parsed,
)

TIME = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a zip, so that the same files give the same bytes."""
MOST_FILES = 10_000
_CHUNK = 1 << 20


def write_archive(path: str | os.PathLike, folder: Path, names: list[str]) -> None:
    """Pack files of a folder, in order of their names. Weights hardly shrink, so nothing is compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.file_size = (folder / name).stat().st_size
            with archive.open(entry, "w") as target, (folder / name).open("rb") as source:
                while part := source.read(_CHUNK):
                    target.write(part)


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """Open a zipped bundle whose manifest is right and lists exactly the files in the zip, with their sizes.

    Raises BundleError for any other file. The contents of the files are not read yet.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(path, archive)
            if NAME not in entries:
                raise BundleError(f"{path}: no bundle: there is no {NAME} in it")
            if entries[NAME].file_size > MOST_BYTES:
                raise BundleError(f"{path}: {NAME} is larger than {MOST_BYTES >> 20} MB")
            manifest = parsed(f"{path}: {NAME}", archive.read(NAME))
            listed = listed_files(manifest)
            for name in sorted(entries.keys() - listed.keys() - {NAME}):
                raise BundleError(f"{path}: {name}: not in the manifest of the bundle; was it added?")
            for name, file in listed.items():
                if name not in entries:
                    raise BundleError(f"{path}: {name}: missing; get the bundle again")
                if entries[name].file_size != file.bytes:
                    raise BundleError(
                        f"{path}: {name}: damaged or altered: {entries[name].file_size} bytes, {file.bytes} "
                        "expected; get the bundle again"
                    )
            yield archive, manifest
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise BundleError(f"{path}: not a zip file, or damaged: {error}; get the bundle again") from error


def _entries(path: str | os.PathLike, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Files in a zip by name; raises BundleError for all that a bundle does not have."""
    found: dict[str, zipfile.ZipInfo] = {}
    if len(archive.infolist()) > MOST_FILES:
        raise BundleError(f"{path}: {len(archive.infolist())} files; a bundle has at most {MOST_FILES}")
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.is_dir() and is_plain_name(entry.filename.rstrip("/")):
            continue
        if not is_plain_name(entry.filename):
            raise BundleError(f"{path}: {entry.filename!r}: leads out of the bundle; it is not unpacked")
        if kind not in (0, stat.S_IFREG):
            raise BundleError(
                f"{path}: {entry.filename}: a link or no regular file; a bundle has plain files only"
            )
        if entry.flag_bits & 1:
            raise BundleError(f"{path}: {entry.filename}: encrypted; a bundle is not")
        if entry.filename in found:
            raise BundleError(f"{path}: {entry.filename}: twice in the zip")
        found[entry.filename] = entry
    return found


def unpack(path: str | os.PathLike, folder: Path | None) -> dict[str, Any]:
    """Compare every file of a zipped bundle with its manifest, write it into a new folder, and return the manifest.

    folder: None only compares. Raises BundleError naming the first wrong file; never writes more bytes than the
    manifest lists.
    """
    with opened(path) as (archive, manifest):
        for name, file in listed_files(manifest).items():
            with archive.open(name) as source:
                if folder is None:
                    _copy(source, None, f"{path}: {name}", file)
                else:
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as written:
                        _copy(source, written, f"{path}: {name}", file)
        if folder is not None:
            (folder / NAME).write_bytes(archive.read(NAME))
        return manifest


def _copy(source: Any, target: Any, shown: str, file: Listed) -> None:
    digest, found = hashlib.sha256(), 0
    while part := source.read(_CHUNK):
        found += len(part)
        if found > file.bytes:
            break
        digest.update(part)
        if target is not None:
            target.write(part)
    if found != file.bytes or digest.hexdigest() != file.sha256:
        raise BundleError(f"{shown}: damaged or altered: its SHA-256 does not match; get the bundle again")

"""A bundle given by a user, as a folder or a zip: checked, and copied once to where a run uses it."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from puzzlecell.bundle.archive import opened, unpack
from puzzlecell.bundle.manifest import NAME, BundleError, identity, listed_files, read_folder


def check_bundle(path: str | os.PathLike) -> dict[str, Any]:
    """Compare all files of a bundle with its manifest, which is returned; raises BundleError naming a wrong file."""
    path = Path(path)
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise BundleError(f"{path}: there is no such folder or zip file")
    return unpack(path, None)


def installed_bundle(path: str | os.PathLike, folder: Path) -> tuple[dict[str, Any], bool]:
    """Copy a bundle into `folder` unless the same one is there already; return its manifest, and whether it was copied.

    The copy there is checked too, and made again if it is damaged. Raises BundleError, and writes nothing, if the given
    bundle is not intact, or if `folder` is there and is no bundle.
    """
    path = Path(path)
    there = folder.exists()
    if there and not (folder / NAME).is_file():
        raise BundleError(
            f"{folder}: is to hold the model, but is no bundle; remove it, or choose another output"
        )
    if there and path.exists() and path.is_dir() and folder.samefile(path):
        return read_folder(folder), False
    if path.is_file():
        # What is in a zip that was unpacked before needs not be read again.
        with opened(path) as (_, manifest):
            pass
        if there and _is_intact(folder, identity(manifest)):
            return manifest, False
    else:
        manifest = check_bundle(path)
        if there and _is_intact(folder, identity(manifest)):
            return manifest, False
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        if path.is_file():
            unpack(path, temporary)
        else:
            for name in [NAME, *listed_files(manifest)]:
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path / name, temporary / name)
        if there:
            shutil.rmtree(folder)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            # Of a bundle that was refused, no empty folder is left.
            folder.parent.rmdir()
    return manifest, True


def _is_intact(folder: Path, expected: str) -> bool:
    """Whether a folder holds the bundle whose manifest has this checksum, undamaged."""
    try:
        return identity(read_folder(folder)) == expected
    except (BundleError, OSError):
        return False

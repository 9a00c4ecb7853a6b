"""The manifest of a bundle: what the model is, its settings, and size and SHA-256 of every file.

The checksums find damage, a bad copy and edits by mistake. They are no signature: whoever changes a file on purpose can
write a manifest that fits it.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from puzzlecell.errors import UserError

FORMAT = "puzzlecell-bundle"
VERSION = 1
"""Version of the format, which changes when older versions of puzzlecell cannot read it."""
NAME = "manifest.json"
MOST_BYTES = 16 << 20
"""Size of the largest manifest that is read."""
IGNORED = frozenset({".snakemake_timestamp"})
"""Names of files that may lie in the folder of a bundle: Snakemake writes one into each folder that a job makes."""
PARTS: Mapping[str, type] = {
    "name": str,
    "description": str,
    "licence": bool,
    "versions": dict,
    "classes": list,
    "images": dict,
    "folds": int,
    "members": list,
    "settings": dict,
    "carried": dict,
    "training": dict,
    "scores": dict,
    "files": dict,
}
"""Keys that every manifest has, with their types (docs/file-formats.md)."""


class BundleError(UserError):
    """A bundle that is damaged, altered or of another version; the message names the file."""


@dataclass(frozen=True)
class Listed:
    """A file of a bundle as its manifest lists it."""

    bytes: int
    sha256: str


def manifest_text(facts: Mapping[str, Any], files: Mapping[str, Listed]) -> str:
    """The manifest as JSON, with its own checksum. facts: all `PARTS` but `files`."""
    listed = {name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in sorted(files.items())}
    content = {"format": FORMAT, "version": VERSION, **facts, "files": listed}
    return json.dumps({**content, "sha256": _own_checksum(content)}, indent=2, ensure_ascii=False) + "\n"


def parsed(where: str | os.PathLike, text: bytes) -> dict[str, Any]:
    """Read a manifest. where: its path, for the messages.

    Raises BundleError for another file, another version of the format and a text that does not fit its checksum.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: damaged: it is not JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BundleError(f"{where}: not the manifest of a bundle of puzzlecell")
    version = content.get("version")
    if version != VERSION:
        made_by = content.get("versions")
        by = f", written by puzzlecell {made_by.get('puzzlecell')}" if isinstance(made_by, dict) else ""
        raise BundleError(
            f"{where}: version {version} of the bundle format{by}; this puzzlecell reads version {VERSION}"
        )
    if content.pop("sha256", None) != _own_checksum(content):
        raise BundleError(f"{where}: damaged or altered: its checksum does not match; get the bundle again")
    wrong = [key for key, kind in PARTS.items() if not isinstance(content.get(key), kind)]
    if wrong:
        raise BundleError(f"{where}: lacks {', '.join(wrong)}")
    for name, entry in content["files"].items():
        if not is_plain_name(name) or name == NAME:
            raise BundleError(f"{where}: lists the file {name!r}, which is no path inside the bundle")
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("bytes"), int)
            or not isinstance(entry.get("sha256"), str)
        ):
            raise BundleError(f"{where}: lists {name} without its size and SHA-256")
    return content


def identity(manifest: Mapping[str, Any]) -> str:
    """The checksum of a manifest that `parsed` returned, which stands for the whole bundle."""
    return _own_checksum({key: value for key, value in manifest.items() if key != "sha256"})


def listed_files(manifest: Mapping[str, Any]) -> dict[str, Listed]:
    """Files of the bundle by their path in it, without the manifest."""
    return {name: Listed(entry["bytes"], entry["sha256"]) for name, entry in manifest["files"].items()}


def is_plain_name(name: str) -> bool:
    """Whether a path stays inside the folder that it is relative to, on every system."""
    path = PurePosixPath(name)
    return (
        bool(name)
        and str(path) == name
        and not path.is_absolute()
        and not any(part in ("..", ".") for part in path.parts)
        and not any(sign in name for sign in "\\:\0")
    )


def read_folder(folder: str | os.PathLike) -> dict[str, Any]:
    """Check a bundle that is a folder, all of whose bytes are read, and return its manifest.

    Raises BundleError, which names the first file that is missing, damaged, altered, a link or not in the manifest.
    """
    folder = Path(folder)
    where = folder / NAME
    if not where.is_file():
        raise BundleError(f"{folder}: no bundle: there is no {NAME} in it")
    if where.is_symlink() or where.stat().st_size > MOST_BYTES:
        raise BundleError(
            f"{where}: a link, or larger than {MOST_BYTES >> 20} MB; not the manifest of a bundle"
        )
    manifest = parsed(where, where.read_bytes())
    listed = listed_files(manifest)
    expected = {NAME, *listed}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = path.relative_to(folder).as_posix()
        if stat.S_ISDIR(mode) or name in IGNORED:
            continue
        if not stat.S_ISREG(mode):
            raise BundleError(f"{path}: a link or no regular file; a bundle has plain files only")
        if name not in expected:
            raise BundleError(f"{path}: not in the manifest of the bundle; was it added? Remove it")
    for name, file in listed.items():
        path = folder / name
        if not path.exists():
            raise BundleError(f"{path}: missing; get the bundle again")
        check_file(path, path, file)
    return manifest


def check_file(path: Path, shown: str | os.PathLike, file: Listed) -> None:
    """Raise BundleError unless a file has its size and checksum. shown: its name in messages."""
    found = path.stat().st_size
    if found != file.bytes:
        raise BundleError(
            f"{shown}: damaged or altered: {found} bytes, {file.bytes} expected; get the bundle again"
        )
    if file_sha256(path) != file.sha256:
        raise BundleError(f"{shown}: damaged or altered: its SHA-256 does not match; get the bundle again")


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _own_checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

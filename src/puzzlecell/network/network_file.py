"""Network files: safetensors with the network's settings as metadata. Reading them here needs no PyTorch."""

import json
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.checksums import check_place, mapped, matches_seal, place_in_results

METADATA = "puzzlecell"
KEYS = {"network": dict, "classes": list, "field_size": int, "crop_size": int}
"""Keys of the metadata that a network cannot be built without, with their types."""


class NetworkError(UserError):
    """A network that cannot be built or loaded; the message says what to change."""


def read_network_file(path: str | os.PathLike) -> dict[str, Any]:
    """Return the metadata of a file written by `save_network`, all of whose bytes are compared with the checksum.

    Raises NetworkError for any other file, and DamagedFileError if the file has changed since it was written.
    """
    remedy = "delete this file and start again" if model_place(path) else "get or convert it again"
    metadata = checked_metadata(path, "network of puzzlecell", "convert", remedy)
    check_place(path, metadata.get("place"), model_place(path))
    wrong = [key for key, kind in KEYS.items() if not isinstance(metadata.get(key), kind)]
    if wrong:
        raise NetworkError(
            f"{path}: its metadata lack {', '.join(wrong)}; was it written by another version?"
        )
    return metadata


def checked_metadata(path: str | os.PathLike, what: str, command: str, remedy: str) -> dict[str, Any]:
    """Return the metadata of a sealed safetensors file, all of whose bytes are compared with the checksum.

    what: what the file has to contain. command: that of `puzzlecell` which converts published checkpoints to such a
    file. remedy: what to do with a damaged one. Raises NetworkError for other files, and DamagedFileError if the file
    has changed since it was written.
    """
    problem = file_problem(path, "network file")
    if problem:
        raise NetworkError(f"{path}: {problem}")
    with mapped(path) as content:
        intact = matches_seal(content)
        header = _header(content)
    if intact is False:
        raise DamagedFileError(path, "its checksum does not match", remedy)
    if header is None:
        raise NetworkError(f"{path}: not a safetensors file, or cut off")
    metadata = _metadata(header)
    if metadata is None:
        raise NetworkError(
            f"{path}: contains only tensors, not a {what}; convert published checkpoints with "
            f"`puzzlecell {command}`"
        )
    if intact is None:
        raise DamagedFileError(
            path, "it has no checksum, or was written by an older version of puzzlecell", remedy
        )
    return metadata


def stated_metadata(path: str | os.PathLike) -> dict[str, Any] | None:
    """The metadata of a safetensors file, of which nothing is checked; None for any other file."""
    if file_problem(path, "network file"):
        return None
    with mapped(path) as content:
        header = _header(content)
    return None if header is None else _metadata(header)


def network_digest(path: str | os.PathLike) -> str:
    """Digest of `tensors_digest` for a network of this workflow; raises the errors of `read_network_file`."""
    read_network_file(path)
    return tensors_digest(path)


def tensors_digest(path: str | os.PathLike) -> str:
    """32 hex digits of the tensors of a safetensors file, the same for a copy with other metadata."""
    digest = xxhash.xxh3_128()
    with mapped(path) as content:
        start = 8 + int.from_bytes(content[:8], "little")
        tensors = json.loads(content[8:start])
        for name in sorted(set(tensors) - {"__metadata__"}):
            entry = tensors[name]
            first, last = entry["data_offsets"]
            digest.update(f"{name} {entry['dtype']} {entry['shape']}\n".encode())
            digest.update(content[start + first : start + last])
    return digest.hexdigest()


def model_place(path: str | os.PathLike) -> str:
    """Folder of a model in `results`, such as `models/lite0/stage1/fold2`; empty for a file elsewhere."""
    place = place_in_results(Path(path).parent)
    return place if place.startswith("models/") else ""


def _header(content: bytes | mmap.mmap) -> dict[str, Any] | None:
    """The header of a safetensors file; None if it is no such file or its end is missing."""
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:start])
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        return header if len(content) == start + end else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _metadata(header: dict[str, Any]) -> dict[str, Any] | None:
    """The metadata of `save_network` in a header; None if there are none."""
    try:
        metadata = json.loads(header["__metadata__"][METADATA])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return metadata if isinstance(metadata, dict) else None


def ready_weights_problems(
    paths: Sequence[str | os.PathLike], classes: Sequence[str], stored_size: int
) -> list[str]:
    """Return why the ready weights of a stage, one file per fold, do not fit this run; empty if they do.

    classes: names in the order of the class table. stored_size: side of the stored fields in pixels.
    """
    problems: list[str] = []
    first: tuple[str | os.PathLike, dict[str, Any]] | None = None
    contents: dict[str, str | os.PathLike] = {}
    for path in paths:
        try:
            metadata = read_network_file(path)
        except UserError as error:
            problems.append(str(error))
            continue
        problems += [f"{path}: {text}" for text in _misfits(metadata, classes, stored_size)]
        first = first or (path, metadata)
        here, there = _settings(metadata), _settings(first[1])
        differing = [key for key in here | there if here.get(key) != there.get(key)]
        if differing:
            key = differing[0]
            problems.append(
                f"{path}: {key} is {here.get(key)}, but {there.get(key)} in {first[0]}; the folds of a stage must have "
                "the same network"
            )
        same = contents.setdefault(str(metadata.get("checksum", path)), path)
        if same != path:
            problems.append(f"{path}: the same weights as in {same}; each fold has a network of its own")
    return problems


def _settings(metadata: dict[str, Any]) -> dict[str, object]:
    """Settings that all folds of a stage share, by their key."""
    network = {f"network.{key}": value for key, value in metadata["network"].items()}
    return {**network, "field_size": metadata["field_size"], "crop_size": metadata["crop_size"]}


def _misfits(metadata: dict[str, Any], classes: Sequence[str], stored_size: int) -> list[str]:
    found, expected, texts = metadata["classes"], list(classes), []
    if len(found) != len(expected):
        texts.append(f"has {len(found)} classes, but the class table {len(expected)}")
    elif found != expected:
        number = next(n for n, names in enumerate(zip(found, expected, strict=True)) if names[0] != names[1])
        texts.append(
            f"its class {number} is {found[number]!r}, but {expected[number]!r} in the class table; names and order "
            "must be the same"
        )
    if metadata["field_size"] > stored_size:
        texts.append(
            f"its fields have {metadata['field_size']} pixels a side, more than the {stored_size} of ingest.size"
        )
    return texts

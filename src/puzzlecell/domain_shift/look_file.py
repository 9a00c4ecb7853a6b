"""The file of what training fields looked like: `look.safetensors`, sealed with a checksum."""

import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save as as_safetensors

from puzzlecell import __version__
from puzzlecell.domain_shift.features import ASPECTS, LEVELS
from puzzlecell.domain_shift.look import TYPICAL, Aspect, Look
from puzzlecell.domain_shift.normal import Normal
from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.network.network_file import network_digest
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, check_place, matches_seal, place_in_results, sealed

METADATA, PLACE = "puzzlecell", "look"
KIND = "look of the training fields"
PARTS = ("mean", "components", "variances", "rest", "limit", "typical")


class LookError(UserError):
    """A file that does not say what training fields looked like, or not for the network that is used."""


def write_look(path: str | os.PathLike, look: Look) -> None:
    """Write the file, atomically: tensors named `fields.<aspect>.<part>`, `cells.<aspect>.<part>` and `seen`."""
    tensors = {"seen": look.seen.astype(np.float32)}
    for what, aspects in (("fields", look.fields), ("cells", look.cells)):
        for name, aspect in aspects.items():
            normal = aspect.normal
            values = (
                normal.mean,
                normal.components,
                normal.variances,
                normal.rest,
                aspect.limit,
                aspect.typical,
            )
            for part, value in zip(PARTS, values, strict=True):
                tensors[f"{what}.{name}.{part}"] = np.ascontiguousarray(value, np.float32)
    metadata = {
        "kind": KIND,
        "network": look.network,
        "level": look.level,
        "quantiles": LEVELS,
        "typical": TYPICAL,
        "version": __version__,
        "place": place_in_results(Path(path).parent),
        "checksum": EMPTY_MARK,
    }
    # A single entry, because safetensors writes several entries in an order that changes from run to run.
    content = sealed(as_safetensors(tensors, {METADATA: json.dumps(metadata)}))
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def read_look(path: str | os.PathLike) -> Look:
    """Read a file written by `write_look`.

    Raises LookError for any other file, and DamagedFileError if the file has changed since it was written.
    """
    problem = file_problem(path, "file of what the training fields looked like")
    if problem:
        raise LookError(f"{path}: {problem}")
    content, here = Path(path).read_bytes(), place_in_results(Path(path).parent)
    own = here == PLACE
    remedy = "delete this file and start again" if own else "get it again from the run that made the weights"
    if matches_seal(content) is False:
        raise DamagedFileError(path, "its checksum does not match", remedy)
    try:
        tensors = tensors_of(content)
        end = 8 + int.from_bytes(content[:8], "little")
        metadata = json.loads(json.loads(content[8:end])["__metadata__"][METADATA])
    except (SafetensorError, ValueError, LookupError, TypeError):
        metadata = None
    if not isinstance(metadata, dict) or metadata.get("kind") != KIND:
        raise LookError(
            f"{path}: not a file of what training fields looked like, or cut off; expected a look.safetensors"
        )
    if matches_seal(content) is None:
        raise DamagedFileError(path, "it has no checksum", remedy)
    check_place(path, metadata["place"], here if own else "")
    if metadata["quantiles"] != list(LEVELS):
        raise LookError(
            f"{path}: written by puzzlecell {metadata['version']}, which described fields differently"
        )
    fields, cells = (
        {
            name: _aspect([tensors[f"{what}.{name}.{part}"] for part in PARTS])
            for name in ASPECTS
            if f"{what}.{name}.mean" in tensors
        }
        for what in ("fields", "cells")
    )
    return Look(fields, cells, tensors["seen"], metadata["network"], metadata["level"])


def read_look_of(path: str | os.PathLike, model: str | os.PathLike) -> Look:
    """As `read_look`; also raises LookError if the file was made with another network than `model`."""
    look = read_look(path)
    if look.network != network_digest(model):
        raise LookError(
            f"{path}: made with another network than {model}; expected the file of the run that made these weights"
        )
    return look


def look_problem(path: str | os.PathLike, model: str | os.PathLike | None) -> str | None:
    """Return why the file cannot be used with a network, None if it can. model: None if it is still to be trained."""
    try:
        if model is None:
            read_look(path)
        else:
            read_look_of(path, model)
    except UserError as error:
        return str(error)
    return None


def _aspect(parts: list[np.ndarray]) -> Aspect:
    mean, components, variances, rest, limit, typical = parts
    return Aspect(Normal(mean, components, variances, rest.item()), limit.item(), typical)

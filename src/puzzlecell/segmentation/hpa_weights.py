"""Conversion of the HPA segmenter's published weights to safetensors, with a checksum."""

import hashlib
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.messages import first_few
from puzzlecell.segmentation.hpa_pickle import WeightsError, read_published
from puzzlecell.segmentation.hpa_unet import HpaUnet, published_names
from puzzlecell.segmentation.requirements import checksum_file, missing_checksum


def convert_segmenter(
    source: str | os.PathLike, target: str | os.PathLike, network: HpaUnet | None = None
) -> str:
    """Convert a published .pth file of the HPA segmenter to safetensors; write `<target>.sha256` next to it.

    network: the network that the weights must fit; None means the DPN-92 U-Net with its 595 tensors. Returns the
    checksum. Raises WeightsError naming tensors that are missing, unknown or of the wrong shape or type.
    """
    if network is None:
        with torch.device("meta"):
            network = HpaUnet()
    tensors = read_published(source)
    names = published_names(network)
    wanted = network.state_dict()
    problems = _listed("missing", set(names.values()) - set(tensors))
    problems += _listed("unknown", set(tensors) - set(names.values()))
    problems += [
        f"{published} has the shape {tuple(tensors[published].shape)}, expected {tuple(wanted[name].shape)}"
        for name, published in names.items()
        if published in tensors and tensors[published].shape != wanted[name].shape
    ][:5]
    problems += [
        f"{published} has the type {tensors[published].dtype}, expected {wanted[name].dtype}"
        for name, published in names.items()
        if published in tensors and tensors[published].is_floating_point() != wanted[name].is_floating_point()
    ][:5]
    if problems:
        raise WeightsError(
            f"{source}: not the network of the HPA segmenter, which has {len(names)} tensors: "
            + "; ".join(problems)
        )
    converted = {name: tensors[published].to(wanted[name].dtype) for name, published in names.items()}
    with written_whole(target) as temporary:
        save_file(converted, temporary, {"source_sha256": _sha256(source)})
    checksum = _sha256(target)
    with written_whole(checksum_file(target)) as temporary:
        temporary.write_text(f"{checksum}  {Path(target).name}\n", encoding="ascii")
    return checksum


def check_sum(path: str | os.PathLike) -> None:
    """Verify the checksum of a converted file; raises WeightsError if it differs or is missing."""
    beside = checksum_file(path)
    if not beside.is_file():
        raise WeightsError(missing_checksum(path))
    if not beside.read_bytes().startswith(_sha256(path).encode()):
        raise WeightsError(
            f"{path} differs from its checksum in {beside}; copy the file again or convert the weights again"
        )


def _listed(what: str, names: set[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} {what} ({first_few(sorted(names), 3)})"]


def _sha256(path: str | os.PathLike) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

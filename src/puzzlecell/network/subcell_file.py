"""Files of SubCell networks: safetensors with their layout as metadata. Reading them here needs no PyTorch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from puzzlecell.config.naming import CHANNELS, Layout
from puzzlecell.network.network_file import NetworkError, checked_metadata

SUBCELL = "subcell"
"""What the metadata of such a file say of its kind."""

LOCATIONS = (
    "Actin filaments",
    "Aggresome",
    "Cell Junctions",
    "Centriolar satellite",
    "Centrosome",
    "Cytokinetic bridge",
    "Cytoplasmic bodies",
    "Cytosol",
    "Endoplasmic reticulum",
    "Endosomes",
    "Focal adhesion sites",
    "Golgi apparatus",
    "Intermediate filaments",
    "Lipid droplets",
    "Lysosomes",
    "Microtubules",
    "Midbody",
    "Mitochondria",
    "Mitotic chromosome",
    "Mitotic spindle",
    "Nuclear bodies",
    "Nuclear membrane",
    "Nuclear speckles",
    "Nucleoli",
    "Nucleoli fibrillar center",
    "Nucleoli rim",
    "Nucleoplasm",
    "Peroxisomes",
    "Plasma membrane",
    "Vesicles",
    "Negative",
)
"""What the published classifiers tell apart, in the order of their outputs."""

VARIANTS = {
    "rybg": ("red", "yellow", "blue", "green"),
    "rbg": ("red", "blue", "green"),
    "ybg": ("yellow", "blue", "green"),
    "bg": ("blue", "green"),
}
"""Channels that the published networks see, by their first letters in the order of the input."""


@dataclass(frozen=True)
class SubCellLayout:
    """Sizes of a SubCell network; the defaults are those of the published networks.

    channels: a key of `VARIANTS`. image, patch: sides of the input and of a patch in pixels. width: numbers of a token.
    mlp: width of the hidden layer of a block. pool_hidden, pool_heads: of the pooling. classifier_hidden: widths of the
    hidden layers of a classifier. locations: outputs of each of the classifiers.
    """

    channels: str = "rybg"
    image: int = 448
    patch: int = 16
    width: int = 768
    depth: int = 12
    mlp: int = 3072
    pool_hidden: int = 512
    pool_heads: int = 2
    classifier_hidden: tuple[int, int] = (512, 256)
    locations: int = len(LOCATIONS)
    classifiers: int = 1

    @property
    def embedding(self) -> int:
        """Numbers of the embedding of a cell: 1536 in the published networks."""
        return self.width * self.pool_heads


def read_subcell_file(path: str | os.PathLike) -> SubCellLayout:
    """Return the layout of a file written by `save_subcell`, all of whose bytes are compared with the checksum.

    Raises NetworkError for any other file, and DamagedFileError if the file has changed since it was written.
    """
    metadata = checked_metadata(path, "SubCell network", "convert-subcell", "convert it again")
    layout = metadata.get("layout")
    if metadata.get("kind") != SUBCELL or not isinstance(layout, dict):
        raise NetworkError(
            f"{path}: not a SubCell network; convert the published checkpoints with `puzzlecell convert-subcell`"
        )
    problem = _layout_problem(layout)
    if problem:
        raise NetworkError(f"{path}: {problem}; was it written by another version?")
    return SubCellLayout(**{**layout, "classifier_hidden": tuple(layout["classifier_hidden"])})


def black_channel_problems(layout: SubCellLayout, datasets: Mapping[str, Layout]) -> list[str]:
    """Data sets, with how their images are found, in which a channel is black that the network was trained with."""
    seen = VARIANTS[layout.channels]
    problems = []
    for name, images in datasets.items():
        present = {
            channel for channel, place in zip(CHANNELS, images.channels, strict=True) if place is not None
        }
        black = [channel for channel in seen if channel not in present]
        fitting = [letters for letters, channels in VARIANTS.items() if present.issuperset(channels)]
        if black:
            problems.append(
                f"the network sees {', '.join(seen)}, but in data set {name}, {' and '.join(black)} is black; "
                + (f"use the variant {fitting[0]} of SubCell" if fitting else "no variant of SubCell fits")
            )
    return problems


def _layout_problem(layout: dict[str, Any]) -> str | None:
    expected = {field.name for field in fields(SubCellLayout)}
    if layout.keys() != expected:
        return f"its layout has the keys {', '.join(sorted(layout))}, expected {', '.join(sorted(expected))}"
    if layout["channels"] not in VARIANTS:
        return f"its channels are {layout['channels']!r}, expected one of {', '.join(VARIANTS)}"
    hidden = layout["classifier_hidden"]
    sizes = [value for name, value in layout.items() if name not in ("channels", "classifier_hidden")]
    whole = [*sizes, *hidden] if isinstance(hidden, list) and len(hidden) == 2 else [0]
    if not all(isinstance(value, int) and 0 < value <= 1 << 16 for value in whole):
        return "its layout has sizes that are no positive numbers"
    return None

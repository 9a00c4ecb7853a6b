"""Where images differ from those that a model was trained on, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from puzzlecell.bundle.facts import intensity_quantiles, spread
from puzzlecell.bundle.images import ImageFolder
from puzzlecell.data.fields import FieldError, check_field, read_field
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.resize import resize_field

HEADERS, PIXELS = 50, 4
"""Fields whose headers, and whose pixels, are looked at."""
SAME_SCALE = 1.25
"""Ratio of scales up to which cells count as of the same size; the training itself zooms by up to a tenth."""
SAME_INTENSITY = 2.0
"""Ratio of bright quantiles up to which intensities count as alike."""


@dataclass(frozen=True)
class Sampled:
    """What a few of the fields look like.

    sizes: (height, width) in pixels; depths: bits per pixel; quantiles: median and 99 % quantile of each channel of the
    stored fields, (n, 4, 2) in grey levels of 255; n may be 0. pixel_sizes_um: those that the table of images or the
    metadata give, one per field that has any.
    """

    sizes: Sequence[tuple[int, int]]
    depths: Sequence[int]
    quantiles: np.ndarray
    pixel_sizes_um: Sequence[float] = ()


def sample(images: ImageFolder, stored_size: int, max_megapixels: float | None = None) -> Sampled:
    """Look at evenly spaced fields. Fields that cannot be read are left out; the run itself reports them."""
    headers = {
        field_id: header
        for field_id in spread(images.ids, HEADERS)
        for header, problems in [check_field(images.sources, field_id, max_megapixels=max_megapixels)]
        if header is not None and not problems
    }
    quantiles = []
    for field_id in spread(list(headers), PIXELS):
        try:
            field = read_field(images.sources, field_id, max_megapixels=max_megapixels)
        except FieldError:
            continue
        quantiles.append(intensity_quantiles(resize_field(field, stored_size)))
    stated = {field_id: images.sources[field_id].pixel_size_um for field_id in headers}
    return Sampled(
        [(header.height, header.width) for header in headers.values()],
        [header.bit_depth for header in headers.values()],
        np.array(quantiles).reshape(-1, len(CHANNELS), 2),
        [
            size
            for field_id, header in headers.items()
            if (size := stated[field_id] or header.pixel_size_um) is not None
        ],
    )


def differences(sampled: Sampled, pixel_size_um: float, trained: Mapping[str, Any]) -> list[str]:
    """Return one text for each way in which the images differ from the training fields.

    pixel_size_um: of the images. trained: `images` of a manifest. What the manifest does not know is not compared.
    """
    return [
        *_scale(sampled, pixel_size_um, trained),
        *_shape(sampled),
        *_intensities(sampled, trained),
    ]


def _scale(sampled: Sampled, pixel_size_um: float, trained: Mapping[str, Any]) -> Iterator[str]:
    if not sampled.sizes or "stored_pixel_um" not in trained:
        return
    sides = [float(np.sqrt(height * width)) for height, width in sampled.sizes]
    here = float(np.median(sides)) * pixel_size_um / trained["stored_size"]
    there = trained["stored_pixel_um"]
    ratio = there / here
    if max(ratio, 1 / ratio) > SAME_SCALE:
        seen = f"{ratio:.1f} times as large" if ratio > 1 else f"{1 / ratio:.1f} times smaller"
        yield (
            f"scale: the networks see cells {seen} than in training. A stored pixel is {here:.3g} um here and "
            f"{there:.3g} um in training, because a field is {here * trained['stored_size']:.0f} um wide here and "
            f"{trained['field_um']:.0f} um there. Check --pixel-size; if it is right, "
            "cut or join the fields to that width"
        )


def _shape(sampled: Sampled) -> Iterator[str]:
    stretched = [size for size in sampled.sizes if max(size) > SAME_SCALE * min(size)]
    if stretched:
        height, width = stretched[0]
        yield f"shape: fields of {width} x {height} pixels are squeezed to squares, so that cells are distorted"


def _intensities(sampled: Sampled, trained: Mapping[str, Any]) -> Iterator[str]:
    depths = sorted(set(sampled.depths))
    known = trained.get("bit_depth")
    if known and set(depths) - set(known):
        yield (
            f"intensity: {_bits(depths)} images; the training fields had {_bits(known)}. Both are scaled by their full "
            "range"
        )
    if not len(sampled.quantiles):
        return
    mean = sampled.quantiles.mean(axis=0)
    for number, channel in enumerate(CHANNELS):
        high = float(mean[number, 1])
        if sampled.quantiles[:, number, 1].max() == 0:
            yield f"channel {channel}: black in all sampled fields; the model was trained with it"
            continue
        there = trained.get("intensity", {}).get(channel)
        if there is None:
            continue
        ratio = (high + 1) / (there["q99"] + 1)
        if max(ratio, 1 / ratio) > SAME_INTENSITY:
            word = f"{ratio:.1f} times as bright as" if ratio > 1 else f"{1 / ratio:.1f} times darker than"
            yield (
                f"intensity of {channel}: {word} in training (99 % quantile {high:.0f} of 255 grey levels, in training "
                f"{there['q99']:.0f})"
            )


def _bits(depths: Sequence[int]) -> str:
    return f"{' and '.join(map(str, depths))}-bit"


def described_sizes(sampled: Sampled) -> str:
    """The sizes of the sampled fields, such as `1024 x 1024 pixels, 16-bit`."""
    if not sampled.sizes:
        return "no field can be read"
    found = [f"{width} x {height}" for height, width in dict.fromkeys(sampled.sizes)]
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} other sizes" if len(found) > 3 else "")
    return f"{shown} pixels, {_bits(sorted(set(sampled.depths)))}"


def relative(path: Path) -> str:
    """A path as it is shown: relative to the current folder if it is inside it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

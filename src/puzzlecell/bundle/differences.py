"""Where images differ from those that a model was trained on, in words."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from puzzlecell.bundle.facts import intensity_quantiles, spread
from puzzlecell.bundle.images import OwnImages
from puzzlecell.config.datasets import IngestSettings
from puzzlecell.config.naming import Layout
from puzzlecell.data.fields import FieldError, check_field, read_field
from puzzlecell.data.image_file import Header
from puzzlecell.data.intensity import IntensityError, intensity_limits
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.resize import resize_field

HEADERS, PIXELS = 500, 4
"""Fields whose headers, and whose pixels, are looked at."""
SAME_SCALE = 1.25
"""Ratio of scales up to which cells count as of the same size; the training itself zooms by up to a tenth."""
SAME_INTENSITY = 2.0
"""Ratio of bright quantiles up to which intensities count as alike."""


@dataclass(frozen=True)
class Sampled:
    """What some of the fields look like.

    headers: by ID. quantiles: median and 99 % quantile of each channel of a few stored fields, (n, 4, 2) in grey levels
    of 255; n may be 0. problems: why the intensity rule does not fit fields. rule: the intensity rule.
    """

    headers: Mapping[str, Header]
    quantiles: np.ndarray
    problems: Sequence[str]
    rule: str

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) in pixels."""
        return [(header.height, header.width) for header in self.headers.values()]

    @property
    def depths(self) -> list[int]:
        """Distinct numbers of bits per pixel."""
        return sorted({header.bit_depth for header in self.headers.values()})

    @property
    def in_bits(self) -> str:
        """Bits per pixel in words, such as `16-bit` or `32-bit float`."""
        is_float = any(header.kind == "float" for header in self.headers.values())
        return f"{_bits(self.depths)}{' float' if is_float else ''}"


def sample(images: OwnImages, settings: IngestSettings) -> Sampled:
    """Look at evenly spaced fields. Fields that cannot be read are left out; the run itself reports them."""
    largest = settings.max_megapixels
    headers = {
        field_id: header
        for field_id in spread(images.sources.ids, HEADERS)
        for header, problems in [check_field(images.sources, field_id, max_megapixels=largest)]
        if header is not None and not problems
    }
    quantiles, unfit = [], []
    for field_id in spread(list(headers), PIXELS):
        try:
            field = read_field(images.sources, field_id, max_megapixels=largest)
            limits = intensity_limits(field, settings.intensity)
        except FieldError:
            continue
        except IntensityError as error:
            unfit.append(f"field {field_id}: {error}")
            continue
        quantiles.append(intensity_quantiles(resize_field(field, settings.size, limits)))
    return Sampled(headers, np.array(quantiles).reshape(-1, len(CHANNELS), 2), unfit, settings.intensity.rule)


def differences(
    sampled: Sampled, pixel_sizes_um: Mapping[str, float], layout: Layout, trained: Mapping[str, Any]
) -> list[str]:
    """Return one text for each way in which the images differ from the training fields.

    pixel_sizes_um: of the sampled fields, by ID. layout: what the channels are. trained: `images` of a manifest. What
    the manifest does not know is not compared.
    """
    return [
        *_scale(sampled, pixel_sizes_um, trained),
        *_shape(sampled),
        *_intensities(sampled, trained),
        *_channels(sampled, layout, trained),
    ]


def _scale(
    sampled: Sampled, pixel_sizes_um: Mapping[str, float], trained: Mapping[str, Any]
) -> Iterator[str]:
    if not sampled.headers or "stored_pixel_um" not in trained:
        return
    sides = [
        math.sqrt(header.height * header.width) * pixel_sizes_um[field_id]
        for field_id, header in sampled.headers.items()
    ]
    here = float(np.median(sides)) / trained["stored_size"]
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
    known = trained.get("bit_depth")
    if known and set(sampled.depths) - set(known) and sampled.rule != "percentiles":
        how = "The model scales all of them as its ingest.intensity says"
        if sampled.rule == "reference":
            how = "Both are scaled by their full range"
            how += ", floating point from 0 to 1" if "float" in sampled.in_bits else ""
        yield f"intensity: {sampled.in_bits} images; the training fields had {_bits(known)}. {how}"
    yield from (f"intensity: {problem}" for problem in sampled.problems[:1])
    if not len(sampled.quantiles):
        return
    mean = sampled.quantiles.mean(axis=0)
    for number, channel in enumerate(CHANNELS):
        high = float(mean[number, 1])
        there = trained.get("intensity", {}).get(channel)
        if there is None or sampled.quantiles[:, number, 1].max() == 0:
            continue
        ratio = (high + 1) / (there["q99"] + 1)
        if max(ratio, 1 / ratio) > SAME_INTENSITY:
            word = f"{ratio:.1f} times as bright as" if ratio > 1 else f"{1 / ratio:.1f} times darker than"
            yield (
                f"intensity of {channel}: {word} in training (99 % quantile {high:.0f} of 255 grey levels, in training "
                f"{there['q99']:.0f})"
            )


def _channels(sampled: Sampled, layout: Layout, trained: Mapping[str, Any]) -> Iterator[str]:
    for number, (channel, place) in enumerate(zip(CHANNELS, layout.channels, strict=True)):
        there = trained.get("intensity", {}).get(channel)
        if there is not None and there["q99"] == 0:
            continue
        if place is None:
            yield f"channel {channel}: black, as given; the model was trained with it"
        elif place.same_as is not None:
            yield f"channel {channel}: the images of {place.same_as}, as given; the model was trained with its own"
        elif len(sampled.quantiles) and sampled.quantiles[:, number, 1].max() == 0:
            yield f"channel {channel}: black in all sampled fields; the model was trained with it"


def _bits(depths: Sequence[int]) -> str:
    return f"{' and '.join(map(str, depths))}-bit"


def described_sizes(sampled: Sampled) -> str:
    """The sizes of the sampled fields, such as `1024 x 1024 pixels, 16-bit`."""
    if not sampled.headers:
        return "no field can be read"
    found = [f"{width} x {height}" for height, width in dict.fromkeys(sampled.sizes)]
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} other sizes" if len(found) > 3 else "")
    return f"{shown} pixels, {sampled.in_bits}"


def relative(path: Path) -> str:
    """A path as it is shown: relative to the current folder if it is inside it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

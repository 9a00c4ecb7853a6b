"""Which raw intensities of a field become black and white."""

from typing import TYPE_CHECKING

import numpy as np

from puzzlecell.config.intensity import IntensitySettings, each
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError

if TYPE_CHECKING:
    from puzzlecell.data.store import ShardReader

SMALLEST_RANGE = 16
"""Grey levels of the smallest range of integers: below, the steps between grey levels would show."""


class IntensityError(UserError):
    """The intensities of a field do not fit the rule; the message says what was found and what to set."""


def intensity_limits(field: np.ndarray, settings: IntensitySettings) -> np.ndarray:
    """Return the raw intensities that become 0 and 1 in each channel: (4, 2) float32, low and high.

    field: (H, W, 4) uint8, uint16 or float32. The reference rule gives (0, 255) or (0, 65535), and (0, 1) for floating
    point. Raises IntensityError for floating point above 1 with the reference rule, and for what is brighter than a
    given depth.
    """
    if settings.rule == "percentiles":
        return _percentile_limits(field, settings)
    if settings.maximum is not None:
        high = list(each(settings.maximum))
    elif settings.bits is not None:
        high = [2.0**bits - 1 for bits in each(settings.bits)]
        _check_depth(field, high)
    else:
        high = [float(intensity_range(field))] * len(CHANNELS)
    return np.array([[0, top] for top in high], np.float32)


def intensity_range(field: np.ndarray) -> int:
    """Return the reference rule's white: 65535 if any pixel exceeds 255, else 255, as some 16-bit files hold 0 to 255.

    Of a field of floating-point numbers it is 1. Raises IntensityError if one of them is larger.
    """
    brightest = field.max(initial=0)
    if field.dtype.kind != "f":
        return 65535 if int(brightest) > 255 else 255
    if brightest > 1:
        raise IntensityError(
            f"floating-point intensities up to {brightest:g}; the reference rule takes 0 to 1: set "
            f"ingest.intensity.rule to depth (with maximum) or percentiles"
        )
    return 1


def to_unit(image: np.ndarray, limits: np.ndarray | None = None) -> np.ndarray:
    """Scale raw intensities to (H, W, C) float32 in [0, 1].

    limits: (C, 2) float32 as `intensity_limits` returns them; None stands for the reference rule.
    """
    if limits is None:
        return np.divide(image, intensity_range(image), dtype=np.float32)
    if (limits == limits[0]).all():
        # Four times as fast as channel by channel.
        limits = limits[0]
    low, high = limits[..., 0], limits[..., 1]
    unit = np.subtract(image, low, dtype=np.float32)
    unit /= high - low
    return np.clip(unit, 0, 1, out=unit)


def stored_limits(store: "ShardReader") -> dict[str, np.ndarray]:
    """Return the limits that the fields of a store were scaled with: ID -> (4, 2) float32."""
    limits = np.stack([store.column("low"), store.column("high")], axis=-1)
    return dict(zip(store.ids, limits, strict=True))


def _percentile_limits(field: np.ndarray, settings: IntensitySettings) -> np.ndarray:
    least = settings.min_range * float(field.max(initial=0))
    # A field that is black everywhere stays black with any range.
    least = max(least, SMALLEST_RANGE) if field.dtype.kind != "f" else least or 1.0
    limits = np.empty((len(CHANNELS), 2), np.float32)
    for channel, ends in enumerate(zip(each(settings.low), each(settings.high), strict=True)):
        low, high = _percentiles_of(field[..., channel], ends)
        limits[channel] = low, max(high, low + least)
    return limits


def _percentiles_of(image: np.ndarray, percents: tuple[float, float]) -> np.ndarray:
    """Percentiles of an image as np.percentile defines them; of integers from their histogram, which is faster."""
    if image.dtype.kind == "f":
        return np.percentile(image, percents)
    places = (image.size - 1) * np.array(percents) / 100
    below = np.floor(places)
    counts = np.cumsum(np.bincount(image.ravel()))
    values = np.searchsorted(counts, [below, np.minimum(below + 1, image.size - 1)], side="right")
    return values[0] + (places - below) * (values[1] - values[0])


def _check_depth(field: np.ndarray, high: list[float]) -> None:
    for channel, top in enumerate(high):
        brightest = field[..., channel].max(initial=0)
        if field.dtype.kind == "f":
            raise IntensityError(
                "floating-point intensities have no bits; set ingest.intensity.maximum in place of bits"
            )
        if brightest > top:
            raise IntensityError(
                f"the {CHANNELS[channel]} channel has a pixel of {brightest}, above the {top:.0f} of "
                f"ingest.intensity.bits; raise bits, or set maximum to make brighter pixels white"
            )

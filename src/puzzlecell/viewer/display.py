"""Display ranges: which grey levels of a stored field are shown black and white."""

import numpy as np

BLACK, WHITE = 2.0, 99.8
"""Percentiles of a channel that are shown black and white."""
LEAST = 40
"""Fewest grey levels from black to white: less is noise, which would fill an empty channel if it were stretched."""


def display_range(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Black and white (4,) uint8 of a field's channels. image: (S, S, 4) uint8 RGBY.

    Black is the 2nd percentile, which takes away an even background, but no more than a quarter of white, so that
    staining that fills the field is not shown as background. White is the 99.8th percentile: specks do not darken the
    rest. A channel in which these are nearer than 40 levels is shown with 40: it stays dark.
    """
    low, high = np.percentile(image, [BLACK, WHITE], axis=(0, 1))
    low = np.minimum(np.floor(low), high // 4)
    high = np.maximum(np.ceil(high), low + LEAST)
    # At the upper end of the 256 levels, the range is moved down.
    low = np.minimum(low, 255 - LEAST)
    return low.astype(np.uint8), np.minimum(high, 255).astype(np.uint8)

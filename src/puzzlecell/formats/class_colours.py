"""A colour for each class, the same in all files."""

import colorsys
from collections.abc import Sequence

Rgb = tuple[int, int, int]
GREY: Rgb = (150, 150, 150)
_TURN = 0.618034
"""Fraction of the circle of hues between one class and the next, so that any few in a row differ well."""


def class_colours(classes: Sequence[str], negative: str | None) -> dict[str, Rgb]:
    """Return the colour (red, green, blue; 0 to 255) of each class: grey for the negative one."""
    found = {}
    for index, name in enumerate(classes):
        value, saturation = (0.95, 0.75) if index % 2 == 0 else (0.75, 0.9)
        red, green, blue = colorsys.hsv_to_rgb(index * _TURN % 1, saturation, value)
        found[name] = (round(255 * red), round(255 * green), round(255 * blue))
    return found if negative is None else {**found, negative: GREY}

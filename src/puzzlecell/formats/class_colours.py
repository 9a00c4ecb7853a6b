"""A colour for each class, the same in all files and in the viewer."""

from collections.abc import Sequence

Rgb = tuple[int, int, int]
GREY: Rgb = (190, 190, 190)
HUES: tuple[Rgb, ...] = (
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
    (43, 212, 164),
    (255, 127, 80),
    (227, 154, 198),
    (143, 168, 255),
    (255, 79, 123),
)
"""Bright against dark images, and distinguishable with colour-blindness (after Okabe and Ito, 2008)."""
_ROUNDS = ((1.0, 0.0), (1.0, 0.55), (0.65, 0.0), (0.8, 0.4))
"""Brightness and share of white of the hues: as they are, then for the next eight classes, and so on."""


def class_colours(classes: Sequence[str], negative: str | None) -> dict[str, Rgb]:
    """Return the colour (red, green, blue; 0 to 255) of each class: grey for the negative one.

    They repeat after 32 classes.
    """
    found = {}
    for index, name in enumerate(classes):
        brightness, white = _ROUNDS[index // len(HUES) % len(_ROUNDS)]
        red, green, blue = (
            round(brightness * (part + white * (255 - part))) for part in HUES[index % len(HUES)]
        )
        found[name] = (red, green, blue)
    return found if negative is None else {**found, negative: GREY}


def css_colours(classes: Sequence[str], negative: str | None) -> list[str]:
    """Return the colour of each class as CSS and SVG write it, such as `#f0e442`, in the order of the classes."""
    return ["#" + bytes(rgb).hex() for rgb in class_colours(classes, negative).values()]

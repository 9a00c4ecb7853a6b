"""PNGs that are not plain greyscale of 8 or 16 bits: fewer bits, palettes, colour and alpha."""

import os

import numpy as np

from puzzlecell.data.colour import single_channel
from puzzlecell.data.image_errors import ImageProblem
from puzzlecell.data.image_header import Header
from puzzlecell.data.png import PngError, PngLayout, intact_content

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 3, GREY_ALPHA: 2, RGBA: 4}
NOTES = {
    RGB: "a colour PNG, of which the one channel in use was taken",
    RGBA: "a colour PNG, of which the one channel in use was taken",
    GREY_ALPHA: "a PNG with an alpha channel, which was left out",
    PALETTE: "a PNG with a palette, of whose colours the one channel in use was taken",
}


def is_plain(layout: PngLayout) -> bool:
    """Whether a PNG is greyscale of 8 or 16 bits."""
    return layout.colour == GREY and layout.depth in (8, 16)


def colour_header(path: str | os.PathLike, layout: PngLayout, channel: int | None) -> Header:
    """Return the header of a PNG that is not plain; raises PngError for an unknown type or no such channel."""
    known = CHANNELS.get(layout.colour)
    if known is None or layout.depth not in (1, 2, 4, 8, 16):
        raise PngError(f"{path}: damaged, a PNG of colour type {layout.colour} and {layout.depth} bits")
    if channel is not None and channel >= known:
        raise PngError(f"{path}: no channel {channel}; this PNG has {known} (numbered from 0)")
    few_bits = "a PNG of fewer than 8 bits, whose brightest possible pixel became 255"
    note = NOTES.get(layout.colour, few_bits if layout.colour == GREY else None)
    if channel is not None and layout.colour != GREY:
        note = None
    return Header(layout.height, layout.width, 16 if layout.depth == 16 else 8, note=note)


def read_colour(path: str | os.PathLike, layout: PngLayout, channel: int | None) -> np.ndarray:
    """Decode a PNG that is not plain: (H, W) uint8 or uint16.

    Grey levels of 1, 2 and 4 bits are multiplied by 255, 85 and 17, as the PNG specification has it; colours of a
    palette are looked up. channel: number of a channel, in the order red, green, blue, alpha or grey, alpha; None takes
    the only one in use (see `single_channel`). Raises PngError naming the file.
    """
    from imagecodecs import PngError as DecodingError
    from imagecodecs import png_decode

    colour_header(path, layout, channel)
    content = intact_content(path)
    try:
        image = png_decode(content)
    except (DecodingError, ValueError) as error:
        raise PngError(
            f"{path}: damaged, the image cannot be decoded: {error}; copy the file again"
        ) from error
    if image.shape[:2] != (layout.height, layout.width) or image.dtype not in (np.uint8, np.uint16):
        raise PngError(f"{path}: damaged, the image cannot be decoded; copy the file again")
    if image.ndim == 2:
        return image
    if channel is not None:
        if channel >= image.shape[2]:
            raise PngError(f"{path}: no channel {channel}; this PNG has {image.shape[2]} (numbered from 0)")
        return np.ascontiguousarray(image[..., channel])
    try:
        if image.shape[2] == 2:
            image = image[..., [0, 0, 0, 1]]
        return np.ascontiguousarray(single_channel(image))
    except ImageProblem as error:
        raise PngError(f"{path}: {error}") from error

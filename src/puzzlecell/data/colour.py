"""Colour images that show a single channel: grey ones, and those in shades of one colour."""

import numpy as np

from puzzlecell.data.image_errors import ImageProblem

HUES = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "magenta": (1, 0, 1),
    "cyan": (0, 1, 1),
}
LOSSY_MEAN, LOSSY_MOST = 0.1, 0.5
"""What JPEG may add to a channel that is not used: on average, as a fraction of the mean of the used one, and at most,
as a fraction of the brightest possible pixel. Measured on real fields in one colour, qualities 50 to 90, subsampled: up
to 0.045 and 0.36."""


def single_channel(image: np.ndarray, *, lossy: bool = False) -> np.ndarray:
    """Return the one channel of an RGB or RGBA image (H, W, 3 or 4) uint8 or uint16: (H, W) of the same type.

    It is that of a grey image (equal channels), or of one whose colour is the same everywhere: red, green, blue, or
    equal parts of two of these. Alpha has to be opaque. lossy: whether the image was JPEG, so that channels that are
    not used are not exactly zero, and equal channels not exactly equal. Raises ImageProblem saying what was found.
    """
    top = np.iinfo(image.dtype).max
    if image.shape[2] == 4 and int(image[..., 3].min()) < top:
        raise ImageProblem(
            "an image with transparent parts; expected an opaque one, or the number of the channel if the fourth "
            "one is no transparency"
        )
    channels = [image[..., number] for number in range(3)]
    if _alike(channels, channels[1], top, lossy):
        # JPEG keeps green best, and a grey image entirely.
        return channels[1]
    for parts in HUES.values():
        used = [channel for channel, part in zip(channels, parts, strict=True) if part]
        unused = [channel for channel, part in zip(channels, parts, strict=True) if not part]
        chosen = channels[1] if parts[1] else used[0]
        if _alike(used, chosen, top, lossy) and _dark(unused, chosen, top, lossy):
            return chosen
    levels = ", ".join(
        f"{name} 0 to {int(channel.max())}"
        for name, channel in zip(("red", "green", "blue"), channels, strict=True)
    )
    raise ImageProblem(
        f"a colour image that uses several channels ({levels}); expected a grey image, one in shades of a single "
        f"colour, or the number of the channel"
    )


def _alike(channels: list[np.ndarray], chosen: np.ndarray, top: int, lossy: bool) -> bool:
    """Whether channels are equal, or differ by no more than JPEG makes them."""
    if not lossy:
        return all(np.array_equal(channel, chosen) for channel in channels if channel is not chosen)
    differences = [np.abs(channel.astype(np.int32) - chosen) for channel in channels if channel is not chosen]
    return _dark(differences, chosen, top, lossy)


def _dark(channels: list[np.ndarray], chosen: np.ndarray, top: int, lossy: bool) -> bool:
    """Whether channels are zero, or as dark as JPEG leaves channels that are not used."""
    if not lossy:
        return not any(channel.any() for channel in channels)
    limit = LOSSY_MEAN * float(chosen.mean())
    return all(
        float(channel.mean()) <= limit and int(channel.max()) <= LOSSY_MOST * top for channel in channels
    )

"""Test-time augmentation with the eight symmetries of a square and with scales, and their inverses."""

import math

import torch
from torch.nn.functional import interpolate

from puzzlecell.config.steps import TtaSettings

View = tuple[bool, int]
"""Whether the view is first mirrored left to right, and by how many quarter turns it is then rotated."""


def views(settings: TtaSettings) -> list[View]:
    """The 1, 2, 4 or 8 views of one prediction, the original first."""
    return [
        (mirrored, turns)
        for mirrored in ((False, True) if settings.flip else (False,))
        for turns in (range(4) if settings.rotate else (0,))
    ]


def turn(images: torch.Tensor, view: View) -> torch.Tensor:
    """Apply a view to images (..., H, W)."""
    mirrored, turns = view
    return torch.rot90(images.flip(-1) if mirrored else images, turns, (-2, -1))


def turn_back(maps: torch.Tensor, view: View) -> torch.Tensor:
    """Undo a view on maps (..., h, w), so that they align with the original images."""
    mirrored, turns = view
    maps = torch.rot90(maps, -turns, (-2, -1))
    return maps.flip(-1) if mirrored else maps


def scaled(images: torch.Tensor, scale: float, multiple: int) -> torch.Tensor:
    """Images (B, C, H, W) resized by linear interpolation, to sides that are multiples of `multiple`; float32.

    The images themselves, of whatever type, if the scale is 1.
    """
    if scale == 1:
        return images
    return resized(images.float(), [_rounded(side * scale, multiple) for side in images.shape[2:]])


def resized(maps: torch.Tensor, sides: list[int]) -> torch.Tensor:
    """Maps (B, C, h, w) resized to `sides` by linear interpolation, smoothed where they get smaller."""
    if list(maps.shape[2:]) == sides:
        return maps
    return interpolate(maps, size=sides, mode="bilinear", antialias=True, align_corners=False)


def _rounded(length: float, multiple: int) -> int:
    return max(1, math.floor(length / multiple + 0.5)) * multiple

"""Test-time augmentation: the eight symmetries of a square, and the way back."""

import torch

from puzzlecell.config.steps import TtaSettings

View = tuple[bool, int]
"""Whether the view is mirrored left to right first, and by how many quarter turns it is rotated then."""


def views(settings: TtaSettings) -> list[View]:
    """Views of one prediction, the untouched one first: 1, 2, 4 or 8."""
    return [
        (mirrored, turns)
        for mirrored in ((False, True) if settings.flip else (False,))
        for turns in (range(4) if settings.rotate else (0,))
    ]


def turn(images: torch.Tensor, view: View) -> torch.Tensor:
    """A view of images (..., H, W)."""
    mirrored, turns = view
    return torch.rot90(images.flip(-1) if mirrored else images, turns, (-2, -1))


def turn_back(maps: torch.Tensor, view: View) -> torch.Tensor:
    """Maps (..., h, w) of a view, as if made of the untouched images."""
    mirrored, turns = view
    maps = torch.rot90(maps, -turns, (-2, -1))
    return maps.flip(-1) if mirrored else maps

"""Test-time augmentation with the eight symmetries of a square, and their inverses."""

import torch

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

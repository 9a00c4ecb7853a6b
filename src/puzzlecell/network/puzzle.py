"""The siamese puzzle: the network sees a field and its tiles, the tiles' maps are put back together.

Jo and Yu, Puzzle-CAM (2021): what a network finds in a tile it should find in the whole, and the other way
round.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class PuzzleOutput(NamedTuple):
    """Logits (B, C) and maps (B, C, h, w) of the full field and of its tiles; without a puzzle None."""

    logits: Tensor
    maps: Tensor
    tile_logits: Tensor | None
    tile_maps: Tensor | None


def split_tiles(images: Tensor, side: int) -> Tensor:
    """Cut images (B, C, H, W) into side x side tiles (side^2 B, C, H / side, W / side).

    All first tiles (top left) come first, then all second ones (to the right of it), row by row. Raises
    ValueError where the size is not divisible by `side`.
    """
    height, width = images.shape[2:]
    if height % side or width % side:
        raise ValueError(f"an image of {height} x {width} cannot be cut into {side} x {side} equal tiles")
    rows = images.split(height // side, dim=2)
    return torch.cat([tile for row in rows for tile in row.split(width // side, dim=3)])


def merge_tiles(tiles: Tensor, side: int) -> Tensor:
    """Put tiles in the order of `split_tiles` back together: (n^2 B, C, h, w) -> (B, C, n h, n w)."""
    pieces = tiles.chunk(side * side)
    rows = [torch.cat(pieces[first : first + side], dim=3) for first in range(0, side * side, side)]
    return torch.cat(rows, dim=2)


class PuzzleNetwork(nn.Module):
    """A network run on the field and, with `side` > 0, on its side x side tiles, with the same weights."""

    def __init__(self, network: nn.Module, side: int):
        super().__init__()
        self.network = network
        self.side = side

    def forward(self, images: Tensor, tiles: bool = True) -> PuzzleOutput:
        """images: (B, 4, H, W) in [0, 255], uint8 or float. `tiles=False` leaves the second pass out."""
        logits, maps = self.network(images)
        if self.side == 0 or not tiles:
            return PuzzleOutput(logits, maps, None, None)
        _, tile_maps = self.network(split_tiles(images, self.side))
        tile_maps = merge_tiles(tile_maps, self.side)
        return PuzzleOutput(logits, maps, tile_maps.mean((2, 3)), tile_maps)

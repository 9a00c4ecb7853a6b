"""The siamese puzzle: the network sees a field and its tiles, and the maps of the tiles are merged again.

Jo and Yu, Puzzle-CAM (2021): a network should detect the same classes in the tiles as in the whole field.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class PuzzleOutput(NamedTuple):
    """Logits (B, C) and maps (B, C, h, w) of the full field and of its merged tiles (None without a second pass)."""

    logits: Tensor
    maps: Tensor
    tile_logits: Tensor | None
    tile_maps: Tensor | None


def split_tiles(images: Tensor, side: int) -> Tensor:
    """Cut images (B, C, H, W) into side x side tiles (side^2 B, C, H / side, W / side).

    The top left tiles of all images come first, then the tiles to the right of them, and so on, row by row. Raises
    ValueError if the size is not divisible by `side`.
    """
    height, width = images.shape[2:]
    if height % side or width % side:
        raise ValueError(f"an image of {height} x {width} cannot be cut into {side} x {side} equal tiles")
    rows = images.split(height // side, dim=2)
    return torch.cat([tile for row in rows for tile in row.split(width // side, dim=3)])


def merge_tiles(tiles: Tensor, side: int) -> Tensor:
    """Merge tiles in the order of `split_tiles`, with n = side: (n^2 B, C, h, w) -> (B, C, n h, n w)."""
    pieces = tiles.chunk(side * side)
    rows = [torch.cat(pieces[first : first + side], dim=3) for first in range(0, side * side, side)]
    return torch.cat(rows, dim=2)


class PuzzleNetwork(nn.Module):
    """A network applied to the field and, if `side` > 0, with the same weights to its side x side tiles."""

    def __init__(self, network: nn.Module, side: int):
        super().__init__()
        self.network = network
        self.side = side

    def forward(self, images: Tensor, tiles: bool = True) -> PuzzleOutput:
        """Run both passes on images (B, 4, H, W) in [0, 255], uint8 or float; `tiles=False` skips the second pass."""
        logits, maps = self.network(images)
        if self.side == 0 or not tiles:
            return PuzzleOutput(logits, maps, None, None)
        _, tile_maps = self.network(split_tiles(images, self.side))
        tile_maps = merge_tiles(tile_maps, self.side)
        return PuzzleOutput(logits, maps, tile_maps.mean((2, 3)), tile_maps)

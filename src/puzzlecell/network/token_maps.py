"""Vision transformers as backbones: which of timm's can be used, and their tokens as feature maps.

Their positions are interpolated to the input by timm (`dynamic_img_size`), rotary ones are computed for it, so that a
network sees whole fields, tiles and crops of cells, whose sides must be multiples of the patch.
"""

from math import prod
from typing import Any

from torch import Tensor, nn

from puzzlecell.network import own_encoders
from puzzlecell.network._timm import timm
from puzzlecell.network.network_file import NetworkError

MODULES = ("vision_transformer", "eva", "deit", own_encoders.__name__.rpartition(".")[2])
"""Modules of timm, and ours, whose models take `dynamic_img_size` and say how many tokens are no patches."""


def is_token_model(name: str) -> bool:
    """Whether a model of timm is a vision transformer that can be used as a backbone."""
    return timm.models.is_model_in_modules(name, MODULES)


def patch_side(backbone: nn.Module) -> int:
    """Side of the patches of a vision transformer in pixels; raises NetworkError if they are not square."""
    # To a type checker, attributes of a module are tensors or modules.
    patches: Any = backbone.get_submodule("patch_embed")
    height, width = patches.patch_size
    if height != width:
        raise NetworkError(f"network.backbone: patches of {height} x {width} pixels; expected square ones")
    return height


def check_patches(name: str, patch: int, output_stride: int, sides: dict[str, int]) -> None:
    """Raise NetworkError unless the output stride is the side of a patch, and divides the sides of the input.

    sides: name of a setting -> its value in pixels.
    """
    if output_stride != patch:
        raise NetworkError(
            f"network.output_stride: {name} has patches of {patch} pixels, one for each pixel of its maps; "
            f"found {output_stride}, expected {patch}"
        )
    for setting, side in sides.items():
        if side % patch:
            raise NetworkError(
                f"{setting}: {side} is not divisible by the patches of {name}, which have {patch} pixels a side; the "
                f"nearest is {max(1, round(side / patch)) * patch}"
            )


def token_map(tokens: Tensor, prefix: int, grid: tuple[int, int]) -> Tensor:
    """Feature map (B, D, h, w) of tokens (B, prefix + h w, D): class and register tokens, then patches row by row.

    grid: number of patches down and across. Raises NetworkError for another number of tokens.
    """
    if tokens.shape[1] != prefix + prod(grid):
        raise NetworkError(
            f"network.backbone: {tokens.shape[1]} tokens; expected {prefix} and one for each of {grid[0]} x {grid[1]} "
            "patches"
        )
    return tokens[:, prefix:].transpose(1, 2).unflatten(2, grid)

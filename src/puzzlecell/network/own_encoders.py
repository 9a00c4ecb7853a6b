"""Encoders trained on images of the Human Protein Atlas that timm has no name for, under names like timm's.

Only their structure; weights come from `network.pretrained`. Names: `vit_base_patch16_subcell` and
`vit_large_patch16_celldino`.
"""

from functools import partial
from typing import Any

from torch import nn

from puzzlecell.network._timm import VisionTransformer, register_model

FACTORY_OPTIONS = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
"""Options that timm gives to every model, about weights to download."""


@register_model
def vit_base_patch16_subcell(pretrained: bool = False, **changes: Any) -> VisionTransformer:
    """Encoder of SubCell: ViT-B/16 with positions for 448 pixels."""
    sizes = {"img_size": 448, "patch_size": 16, "embed_dim": 768, "depth": 12, "num_heads": 12}
    norm = partial(nn.LayerNorm, eps=1e-12)
    return _built(pretrained, "puzzlecell convert-subcell", {**sizes, "norm_layer": norm, **changes})


@register_model
def vit_large_patch16_celldino(pretrained: bool = False, **changes: Any) -> VisionTransformer:
    """Encoder of Cell-DINO for the Human Protein Atlas: DINOv2's ViT-L/16, with layer scale, for 224 pixels."""
    sizes = {"img_size": 224, "patch_size": 16, "embed_dim": 1024, "depth": 24, "num_heads": 16}
    # DINOv2's value at the start of its training; small ones would all but switch the blocks off without weights.
    return _built(pretrained, "puzzlecell convert-encoder", {**sizes, "init_values": 1.0, **changes})


def _built(pretrained: bool, command: str, options: dict[str, Any]) -> VisionTransformer:
    if pretrained:
        raise RuntimeError(f"they cannot be downloaded by timm; give the path of a file of `{command}`")
    return VisionTransformer(
        **{name: value for name, value in options.items() if name not in FACTORY_OPTIONS}
    )

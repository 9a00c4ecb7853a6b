"""SubCell: a vision transformer for crops of single cells, published with weights by the Human Protein Atlas' group.

The encoder is a plain ViT (Dosovitskiy et al. 2021, patches of 16 pixels). Its tokens are pooled by gated attention
(Ilse, Tomczak and Welling 2018, equation 9) and classified by one or more small classifiers, whose probabilities are
averaged. Tensors have timm's names; `convert_subcell` renames those of the published checkpoints.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn

from puzzlecell.network._timm import VisionTransformer
from puzzlecell.network.network_file import METADATA, NetworkError
from puzzlecell.network.subcell_file import SUBCELL, SubCellLayout, read_subcell_file
from puzzlecell.runtime.atomic import written_whole
from puzzlecell.runtime.checksums import EMPTY_MARK, sealed

HEAD = 64
"""Width of a head of attention: 12 heads in the published encoder, whose tokens have 768 numbers."""


class GatedAttention(nn.Module):
    """Pools tokens (B, T, D) to (B, heads * D): for each head, their mean weighted by gated attention."""

    def __init__(self, width: int, hidden: int, heads: int):
        super().__init__()
        self.value, self.gate = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, heads)

    def forward(self, tokens: Tensor) -> Tensor:
        gated = torch.tanh(self.value(tokens)) * nn.functional.gelu(self.gate(tokens))
        weights = self.score(gated).transpose(1, 2).softmax(dim=-1)
        return (weights @ tokens).flatten(1)


class SubCell(nn.Module):
    """Probabilities (B, locations) and an embedding (B, layout.embedding) of each crop, float32.

    Crops are (B, channels, H, W) in [0, 1] in the order of `layout.channels`, of `layout.image` pixels a side; of other
    multiples of the patch, positions are interpolated.
    """

    def __init__(self, layout: SubCellLayout):
        super().__init__()
        self.layout = layout
        self.encoder = VisionTransformer(
            img_size=layout.image,
            patch_size=layout.patch,
            in_chans=len(layout.channels),
            num_classes=0,
            global_pool="",
            embed_dim=layout.width,
            depth=layout.depth,
            num_heads=layout.width // HEAD,
            mlp_ratio=layout.mlp / layout.width,
            norm_layer=partial(nn.LayerNorm, eps=1e-12),
            dynamic_img_size=True,
        )
        self.pool = GatedAttention(layout.width, layout.pool_hidden, layout.pool_heads)
        one, two = layout.classifier_hidden
        self.classifiers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(layout.embedding, one),
                nn.ReLU(),
                nn.Linear(one, two),
                nn.ReLU(),
                nn.Linear(two, layout.locations),
            )
            for _ in range(layout.classifiers)
        )

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.pool(self.encoder(crops)).float()
        probabilities = torch.stack([head(embedding).float().sigmoid() for head in self.classifiers])
        return probabilities.mean(0), embedding


def save_subcell(
    path: str | os.PathLike, network: SubCell, extra_metadata: Mapping[str, object] | None = None
) -> None:
    """Write a network as safetensors, with its layout and further JSON-serialisable values as metadata."""
    metadata = {
        "kind": SUBCELL,
        "layout": asdict(network.layout),
        "versions": {name: version(name) for name in ("puzzlecell", "torch", "timm")},
        **(extra_metadata or {}),
        "checksum": EMPTY_MARK,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = sealed(as_safetensors(tensors, {METADATA: json.dumps(metadata)}))
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def load_subcell(path: str | os.PathLike, device: str | torch.device = "cpu") -> SubCell:
    """Load a network written by `save_subcell` onto `device`, in evaluation mode.

    Raises NetworkError for any other file, and DamagedFileError if the file has changed since it was written.
    """
    layout = read_subcell_file(path)
    network = SubCell(layout)
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise NetworkError(f"{path}: {' '.join(str(error).split())[:400]}; convert it again") from error
    return network.to(device).eval()

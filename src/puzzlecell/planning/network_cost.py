"""Floating-point operations and parameters of the networks, counted without computing anything."""

from dataclasses import dataclass
from functools import cache

from puzzlecell.config.network import NetworkSettings
from puzzlecell.network.subcell_file import SubCellLayout

CLASSES = 19
"""Classes of the network that is counted; the classifier is less than a thousandth of any backbone."""


@dataclass(frozen=True)
class NetworkCost:
    """Operations of one forward pass over one image (a multiply-add is two), bytes of the weights, and features.

    features: numbers in the feature map of the backbone.
    """

    flop: int
    weight_bytes: int
    features: int


@cache
def network_cost(settings: NetworkSettings, size: int) -> NetworkCost:
    """Cost of a pass over a field of `size` x `size` pixels; raises NetworkError for an unsuitable backbone.

    Only the shapes of the tensors are computed (PyTorch's `meta` device), which takes less than a second.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from puzzlecell.network.cam_network import CamNetwork

    names = [str(number) for number in range(CLASSES)]
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network = CamNetwork(settings, names, size, size).eval()
        before = counter.get_total_flops()
        features = network.features(torch.zeros(1, 4, size, size, dtype=torch.uint8))
        network.head(features)
        flop = counter.get_total_flops() - before
    stored = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    return NetworkCost(flop, stored, features.numel())


@cache
def embedding_bytes(settings: NetworkSettings, size: int) -> int:
    """Bytes of the embedding of a cell by a network that sees fields of `size` x `size` pixels."""
    import torch

    from puzzlecell.network.cam_network import CamNetwork

    with torch.device("meta"):
        return 2 * CamNetwork(settings, ["-"], size, size).classifier.in_channels


@cache
def segmenter_flop(height: int, width: int) -> int:
    """Operations of one pass of a network of the HPA segmenter over an image; sides divisible by 32."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from puzzlecell.segmentation.hpa_unet import HpaUnet

    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network = HpaUnet().eval()
        network.mean = network.mean.to("meta")
        network(torch.zeros(1, 3, height, width))
    return counter.get_total_flops()


@cache
def subcell_flop(layout: SubCellLayout) -> int:
    """Operations of one pass of SubCell over the crop of a cell."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from puzzlecell.network.subcell import SubCell

    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        SubCell(layout).eval()(torch.zeros(1, len(layout.channels), layout.image, layout.image))
    return counter.get_total_flops()

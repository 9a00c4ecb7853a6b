"""Memory layout of a network's weights."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """Convert the weights of a network to the channels-last memory layout, which speeds up convolutions."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
